"""The policy's stage: behaviour cloning of backbone and L1 regression head."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from rsd_jax.backbones.compact import CompactConfig
from rsd_jax.backbones.image_preprocessing import AugmentationConfig
from rsd_jax.backbones.instruction import encode_instruction
from rsd_jax.backbones.proprioception import ProprioNormalizer
from rsd_jax.demos.demo import Demo
from rsd_jax.heads.regression_head import RegressionConfig
from rsd_jax.stored_models import load_tokenizer
from rsd_jax.stored_models.policy import policy_facts
from rsd_jax.training.demonstrations import action_rows, frames, load_split, proprio
from rsd_jax.training.objectives.behaviour_cloning import BehaviourCloning, ChunkError, chunk_error, policy_inputs
from rsd_jax.training.objectives.interface import Stage, Variables

Rows = dict[str, NDArray[Any]]

EVALUATION_BATCH = 64


@dataclass(frozen=True)
class PolicySettings:
    """Settings of the policy's stage: the two networks, the augmentation, and the split by episode."""

    backbone: CompactConfig
    head: RegressionConfig
    augmentation: AugmentationConfig
    heldout_every: int


def build(settings: PolicySettings, run_dir: Path) -> Stage:
    """Every step of the demonstrations, with the actions normalised as the run's tokenizer does."""
    tokenizer = load_tokenizer(run_dir)
    if settings.backbone.chunk_length != tokenizer.chunk_length:
        raise ValueError(
            f"model.backbone.chunk_length is {settings.backbone.chunk_length}, but the tokenizer of {run_dir} takes "
            f"chunks of {tokenizer.chunk_length} steps; give both the same"
        )
    split = load_split(run_dir, settings.heldout_every)
    train, heldout = (policy_rows(demos, tokenizer.chunk_length) for demos in split)
    for rows in (train, heldout):
        rows["actions"] = np.asarray(tokenizer.normalizer.normalize(jnp.asarray(rows["actions"])))
    normalizer = ProprioNormalizer.from_proprio(train["proprio"])
    objective = BehaviourCloning(settings.backbone, settings.head, settings.augmentation)
    facts = policy_facts(settings.backbone, settings.head, normalizer, tokenizer.normalizer)
    return Stage(
        name="policy",
        objective=objective,
        frozen=normalizer,
        rows=train,
        evaluate=partial(_evaluate, jax.jit(objective.predict), normalizer, heldout),
        best_metric="heldout_l1",
        metadata={
            **facts,
            "tokenizer_hash": tokenizer.token_hash,
            "heldout_every": settings.heldout_every,
            "augmentation": vars(settings.augmentation),
        },
    )


def policy_rows(demos: Sequence[Demo], chunk_length: int) -> Rows:
    """One row for every step: the fields of `PolicyInputs`, ``actions`` in the dataset's units, and ``mask``."""
    chunks = action_rows(demos, chunk_length)
    instructions = [np.tile(encode_instruction(demo.instruction), (len(demo), 1)) for demo in demos]
    return {
        "images": frames(demos),
        "proprio": proprio(demos),
        "instruction_ids": np.concatenate(instructions),
        "actions": chunks.actions,
        "mask": chunks.mask,
    }


def _evaluate(predict: Any, normalizer: ProprioNormalizer, rows: Rows, variables: Variables) -> dict[str, Any]:
    """Errors on held-out episodes, and the same with the images blanked: what the policy owes to seeing."""
    blind = {**rows, "images": np.zeros_like(rows["images"])}
    error, blind_error = (_error(predict, variables, normalizer, given) for given in (rows, blind))
    return {
        "heldout_l1": float(error.l1),
        "heldout_l1_translation": float(error.translation),
        "heldout_l1_rotation": float(error.rotation),
        "heldout_gripper_accuracy": float(error.gripper_accuracy),
        "heldout_l1_zeroed_images": float(blind_error.l1),
        "heldout_steps": len(rows["mask"]),
    }


def _error(predict: Any, variables: Variables, normalizer: ProprioNormalizer, rows: Rows) -> ChunkError:
    predicted = []
    for batch in equal_batches(rows, EVALUATION_BATCH):
        predicted.append(np.asarray(predict(variables.params, normalizer, policy_inputs(batch)).actions))
    together = np.concatenate(predicted)[: len(rows["mask"])]
    return chunk_error(jnp.asarray(together), jnp.asarray(rows["actions"]), jnp.asarray(rows["mask"]))


def equal_batches(rows: Rows, size: int) -> list[Rows]:
    """Cuts rows into batches of one size, the last filled up with its last row, so that one program serves all."""
    count = len(next(iter(rows.values())))
    starts = range(0, count, size)
    indices = [np.minimum(np.arange(start, start + size), count - 1) for start in starts]
    return [{name: array[index] for name, array in rows.items()} for index in indices]

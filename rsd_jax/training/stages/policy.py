"""The policy's stage: behaviour cloning of backbone and L1 regression head."""

import hashlib
from collections.abc import Iterator, Sequence
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
from rsd_jax.training.demonstrations import (
    Split,
    action_rows,
    demonstration_files,
    frames,
    load_split,
    proprio,
    splits_by_task,
)
from rsd_jax.training.objectives.behaviour_cloning import BehaviourCloning, ChunkError, chunk_error, policy_inputs
from rsd_jax.training.objectives.interface import Stage, Variables
from rsd_jax.training.row_sources.row_files import ROWS_FOLDER, RowWriter, stored_rows

Rows = dict[str, NDArray[Any]]

EVALUATION_BATCH = 64


@dataclass(frozen=True)
class PolicySettings:
    """Settings of the policy's stage: the two networks, the augmentation, and the split by episode."""

    backbone: CompactConfig
    head: RegressionConfig
    augmentation: AugmentationConfig
    heldout_every: int


def build(settings: PolicySettings, run_dir: Path, on_disk: bool = False) -> Stage:
    """Every step of the demonstrations, with the actions normalised as the run's tokenizer does.

    Args:
        settings: of the stage. run_dir: the run's folder.
        on_disk: rows come from files that are made once, task by task, so that they need not fit in memory.
    """
    tokenizer = load_tokenizer(run_dir)
    if settings.backbone.chunk_length != tokenizer.chunk_length:
        raise ValueError(
            f"model.backbone.chunk_length is {settings.backbone.chunk_length}, but the tokenizer of {run_dir} takes "
            f"chunks of {tokenizer.chunk_length} steps; give both the same"
        )
    make = stored_policy_rows if on_disk else split_policy_rows
    train, heldout = make(run_dir, settings.heldout_every, tokenizer.chunk_length)
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


def split_policy_rows(run_dir: Path, heldout_every: int, chunk_length: int) -> tuple[Rows, Rows]:
    """`policy_rows` of a run's training and held-out episodes, in memory."""
    train, heldout = (policy_rows(demos, chunk_length) for demos in load_split(run_dir, heldout_every))
    return train, heldout


def stored_policy_rows(run_dir: Path, heldout_every: int, chunk_length: int) -> tuple[Rows, Rows]:
    """The rows of `split_policy_rows` in files under ``run_dir/rows``, made anew only if the demonstrations change."""
    digest = hashlib.blake2b(f"{heldout_every} {chunk_length}".encode(), digest_size=16)
    for path in demonstration_files(run_dir):
        with path.open("rb") as file:
            digest.update(f"{path.parent.name}/{path.name}".encode())
            digest.update(hashlib.file_digest(file, "blake2b").digest())

    def write(writer: RowWriter) -> None:
        for split in splits_by_task(run_dir, heldout_every):
            for part, demos in split._asdict().items():
                rows = policy_rows(demos, chunk_length)
                writer.append({f"{part}.{name}": array for name, array in rows.items()})

    stored = stored_rows(Path(run_dir) / ROWS_FOLDER / f"policy-{digest.hexdigest()}", write)
    train, heldout = (
        {name.removeprefix(f"{part}."): array for name, array in stored.items() if name.startswith(f"{part}.")}
        for part in Split._fields
    )
    return train, heldout


def _evaluate(predict: Any, normalizer: ProprioNormalizer, rows: Rows, variables: Variables) -> dict[str, Any]:
    """Errors on held-out episodes, and the same with the images blanked: what the policy owes to seeing."""
    error, blind_error = (_error(predict, variables, normalizer, rows, is_blind) for is_blind in (False, True))
    return {
        "heldout_l1": float(error.l1),
        "heldout_l1_translation": float(error.translation),
        "heldout_l1_rotation": float(error.rotation),
        "heldout_gripper_accuracy": float(error.gripper_accuracy),
        "heldout_l1_zeroed_images": float(blind_error.l1),
        "heldout_steps": len(rows["mask"]),
    }


def _error(
    predict: Any, variables: Variables, normalizer: ProprioNormalizer, rows: Rows, is_blind: bool
) -> ChunkError:
    predicted = []
    for batch in equal_batches(rows, EVALUATION_BATCH):
        if is_blind:
            batch["images"] = np.zeros_like(batch["images"])
        predicted.append(np.asarray(predict(variables.params, normalizer, policy_inputs(batch)).actions))
    together = np.concatenate(predicted)[: len(rows["mask"])]
    return chunk_error(jnp.asarray(together), jnp.asarray(rows["actions"]), jnp.asarray(rows["mask"]))


def equal_batches(rows: Rows, size: int, among: NDArray[np.integer] | None = None) -> Iterator[Rows]:
    """Cuts rows into batches of one size, the last filled up with its last row, so that one program serves all.

    Args:
        rows: arrays of equal length. size: rows of a batch.
        among: indices of the rows to take, all by default.
    """
    chosen = np.arange(len(next(iter(rows.values())))) if among is None else among
    for start in range(0, len(chosen), size):
        index = chosen[np.minimum(np.arange(start, start + size), len(chosen) - 1)]
        yield {name: array[index] for name, array in rows.items()}

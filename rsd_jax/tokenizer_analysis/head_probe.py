"""How well small heads predict a tokenizer's tokens from a frozen image policy, which never sees the action."""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from numpy.typing import NDArray

from rsd_jax.actions.normalizer import GRIPPER
from rsd_jax.heads.draft_model import DraftModel
from rsd_jax.heads.main_head import MainHead
from rsd_jax.rfsq import RfsqTokenizer
from rsd_jax.stored_models import StoredPolicy
from rsd_jax.tokenizer_analysis.rows import AnalysisRows
from rsd_jax.training.configuration import TrainingConfig
from rsd_jax.training.digit_accuracy import layer_accuracy
from rsd_jax.training.objectives.digit_prediction import DEMONSTRATIONS, TEACHER
from rsd_jax.training.stages.draft import DraftSettings, draft_stage, propose
from rsd_jax.training.stages.head_rows import HeadData, head_data, in_batches
from rsd_jax.training.stages.main_head import MainHeadSettings, decode_greedily, main_head_stage, name_digits
from rsd_jax.training.train_loop import train


class ProbeSettings(NamedTuple):
    """The two heads and how they are trained."""

    draft: DraftSettings
    draft_training: TrainingConfig
    main: MainHeadSettings
    main_training: TrainingConfig


def probe(
    settings: ProbeSettings,
    tokenizer: RfsqTokenizer,
    policy: StoredPolicy,
    rows: AnalysisRows,
    moving: NDArray[np.bool_],
    directory: Path,
    mesh: Mesh,
) -> dict[str, Any]:
    """Trains a draft model and a main head on the training episodes and judges them on the held-out ones.

    Args:
        settings: of the heads.
        tokenizer: whose tokens are predicted: those of the L1 teacher's actions, on which the heads are trained, and
            those of the demonstrations.
        policy: frozen; its features are what the heads see.
        rows: features and actions.
        moving: ``[L, D]``, digits for a second count beside the informative ones.
        directory: gets the folders ``draft`` and ``main_head``.
        mesh: where they are trained.
    """
    data = head_data(policy, tokenizer, rows.train, rows.heldout)
    stages = (draft_stage(settings.draft, data), main_head_stage(settings.main, data))
    trainings = (settings.draft_training, settings.main_training)
    draft, main = (
        train(stage, training, directory / stage.name, mesh).params
        for stage, training in zip(stages, trainings, strict=True)
    )
    draft_model: DraftModel = stages[0].objective.task.model  # type: ignore[attr-defined]
    main_head: MainHead = stages[1].objective.task.model  # type: ignore[attr-defined]
    name_coarse = partial(jax.jit(partial(propose, draft_model)), draft, tokenizer.table)
    name_all = partial(jax.jit(partial(name_digits, main_head)), main, tokenizer.table)
    decode = partial(jax.jit(lambda *arrays: decode_greedily(main_head, *arrays).free_running), main, tokenizer.table)
    features = rows.heldout.features
    result: dict[str, Any] = {"free_running_mse": _decoded_error(data, in_batches(decode, features))}
    for labels, suffix in ((TEACHER, ""), (DEMONSTRATIONS, "_demonstrations")):
        tokens = data.tokens[labels][1]
        named = in_batches(name_coarse, features, tokens, np.zeros(tokens.shape[:-1], np.int32))
        drafted = named[..., : settings.draft.draft_layers]
        accuracies = _accuracies(data, labels, drafted, in_batches(name_all, features, tokens), moving)
        result |= {f"{name}{suffix}": value for name, value in accuracies.items()}
    return result


def _accuracies(
    data: HeadData,
    labels: str,
    drafted: NDArray[np.int32],
    named: NDArray[np.int32],
    moving: NDArray[np.bool_],
) -> dict[str, Any]:
    """Shares of informative digits named correctly: draft on the coarse layers, main head on the others."""
    train, heldout = data.tokens[labels]
    coarse = drafted.shape[-1]
    counted = {"": np.asarray(data.frozen.informative), "_moving": moving}
    result: dict[str, Any] = {}
    for suffix, digits in counted.items():
        draft = layer_accuracy(drafted, heldout[..., :coarse], train[..., :coarse], digits[:coarse])
        main = layer_accuracy(named, heldout, train, digits)
        weights = digits.sum(axis=1)
        result |= {
            f"draft_l0_l2{suffix}": _weighted(draft.accuracy, weights[:coarse]),
            f"draft_l0_l2_majority{suffix}": _weighted(draft.majority, weights[:coarse]),
            f"main_l3_l7{suffix}": _weighted(main.accuracy[coarse:], weights[coarse:]),
            f"main_l3_l7_majority{suffix}": _weighted(main.majority[coarse:], weights[coarse:]),
        }
        if not suffix:
            result |= {
                "draft_by_layer": draft.accuracy,
                "main_by_layer": main.accuracy,
                "majority_by_layer": main.majority,
            }
    return result


def _weighted(values: list[float], weights: NDArray[np.integer]) -> float | None:
    """Mean over digits, not over layers; None where there is no digit."""
    return float(np.average(values, weights=weights)) if weights.sum() else None


def _decoded_error(data: HeadData, tokens: NDArray[np.int32]) -> float:
    """Mean squared error of the motion that the head's own tokens decode to, against the teacher's, in half ranges."""
    tokenizer = data.frozen.tokenizer
    teacher = np.asarray(data.policy.teacher_actions(data.policy.variables, jnp.asarray(data.heldout.features)))
    relative = (np.asarray(tokenizer.detokenize(tokens)) - teacher) / np.asarray(tokenizer.normalizer.half_range)
    return float(np.mean(relative[..., :GRIPPER] ** 2))

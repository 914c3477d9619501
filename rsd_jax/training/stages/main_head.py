"""The main head's stage."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rsd_jax.array_types import Features, PyTree, Tokens
from rsd_jax.heads.main_head import MainHead, MainHeadConfig
from rsd_jax.rfsq import QuantizerTable
from rsd_jax.training.objectives.digit_prediction import LABELS, MainTask
from rsd_jax.training.objectives.interface import Stage, Variables
from rsd_jax.training.stages.head_rows import HeadData, in_batches, load_head_data
from rsd_jax.training.stages.head_stage import code_sizes, head_stage


@dataclass(frozen=True)
class MainHeadSettings:
    """Settings of the main head's stage: see `MainHeadConfig` and `DigitPrediction`."""

    width: int
    depth: int
    column_features: int
    labels: str
    feature_noise: float
    digit_weight: float


def build(settings: MainHeadSettings, run_dir: Path) -> Stage:
    """Features of the run's frozen policy, tokens of its L1 teacher or of the demonstrations."""
    return main_head_stage(settings, load_head_data(run_dir))


def main_head_stage(settings: MainHeadSettings, data: HeadData) -> Stage:
    """The stage on features and labels at hand."""
    sizes = {"width": settings.width, "depth": settings.depth, "column_features": settings.column_features}
    model = MainHead(MainHeadConfig(**code_sizes(data), **sizes))
    evaluate = partial(_evaluate, jax.jit(partial(name_digits, model)), data, settings.labels)
    return head_stage("main_head", MainTask(model), data, settings, evaluate)


def name_digits(model: MainHead, params: PyTree, table: QuantizerTable, features: Features, tokens: Tokens) -> Tokens:
    """The most likely digit of every layer given the coarser digits in `tokens`, ``[B, C, D, L]``."""
    start = jnp.zeros(tokens.shape[:-1], jnp.int32)
    logits = model.apply({"params": params}, features, table, tokens, start, table.num_layers)
    return jnp.argmax(logits, axis=-1)


def _evaluate(run: Callable[..., jax.Array], data: HeadData, trained_on: str, variables: Variables) -> dict[str, Any]:
    """Accuracy of every layer, teacher-forced on strictly coarser digits."""
    depth = data.frozen.tokenizer.table.num_layers
    result: dict[str, Any] = {}
    for labels in LABELS:
        tokens = data.tokens[labels][1]
        call = partial(run, variables.params, data.frozen.tokenizer.table)
        digits = in_batches(call, data.heldout.features, tokens)
        accuracy = data.accuracy(digits, labels, depth)
        result[f"accuracy_by_layer_{labels}"], result[f"majority_by_layer_{labels}"] = accuracy
    result["accuracy_by_layer"] = result[f"accuracy_by_layer_{trained_on}"]
    result["majority_by_layer"] = result[f"majority_by_layer_{trained_on}"]
    result["heldout_error"] = 1 - float(np.mean(result["accuracy_by_layer"]))
    return result

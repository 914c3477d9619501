"""The draft model's stage."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rsd_jax.array_types import Features, Position, PyTree, Tokens
from rsd_jax.heads.draft_model import DraftConfig, DraftModel
from rsd_jax.most_likely import most_likely
from rsd_jax.rfsq import QuantizerTable
from rsd_jax.training.objectives.digit_prediction import LABELS, DraftTask
from rsd_jax.training.objectives.interface import Stage, Variables
from rsd_jax.training.stages.head_rows import HeadData, in_batches, load_head_data
from rsd_jax.training.stages.head_stage import code_sizes, head_stage


@dataclass(frozen=True)
class DraftSettings:
    """Settings of the draft model's stage: see `DraftConfig` and `DigitPrediction`."""

    draft_layers: int
    width: int
    depth: int
    labels: str
    feature_noise: float
    digit_weight: float

    def build(self, run_dir: Path) -> Stage:
        """Features of the run's frozen policy, tokens of its L1 teacher or of the demonstrations."""
        return draft_stage(self, load_head_data(run_dir))


def draft_stage(settings: DraftSettings, data: HeadData) -> Stage:
    """The stage on features and labels at hand."""
    sizes = {"draft_layers": settings.draft_layers, "width": settings.width, "depth": settings.depth}
    model = DraftModel(DraftConfig(**code_sizes(data), **sizes))
    evaluate = partial(_evaluate, jax.jit(partial(propose, model)), settings.draft_layers, data, settings.labels)
    return head_stage("draft", DraftTask(model), data, settings, evaluate)


def propose(
    model: DraftModel, params: PyTree, table: QuantizerTable, features: Features, tokens: Tokens, position: Position
) -> Tokens:
    """The digits that the draft names from `position` on, ``[B, C, D, L]``."""
    return most_likely(model.apply({"params": params}, features, table, tokens, position))


def _evaluate(
    run: Callable[..., jax.Array], ahead: int, data: HeadData, trained_on: str, variables: Variables
) -> dict[str, Any]:
    """Accuracy of the first `ahead` layers, and of every start layer given the true coarser digits."""
    depth = data.frozen.tokenizer.table.num_layers
    result: dict[str, Any] = {}
    for labels in LABELS:
        tokens = data.tokens[labels][1]
        by_start = []
        for start in range(depth):
            position = np.full(tokens.shape[:-1], start, np.int32)
            call = partial(run, variables.params, data.frozen.tokenizer.table)
            drafted = in_batches(call, data.heldout.features, tokens, position)
            named = tokens.copy()
            count = min(ahead, depth - start)
            named[..., start : start + count] = drafted[..., start : start + count]
            accuracy = data.accuracy(named, labels, depth)
            by_start.append(accuracy.accuracy[start : start + count])
        majority = accuracy.majority[:ahead]
        result[f"accuracy_by_layer_{labels}"] = by_start[0]
        result[f"majority_by_layer_{labels}"] = majority
        result[f"accuracy_by_start_{labels}"] = by_start
    result["accuracy_by_layer"] = result[f"accuracy_by_layer_{trained_on}"]
    result["majority_by_layer"] = result[f"majority_by_layer_{trained_on}"]
    result["heldout_error"] = 1 - float(np.mean([np.mean(row) for row in result[f"accuracy_by_start_{trained_on}"]]))
    return result

"""The main head's stage."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rsd_jax.array_types import Features, PyTree, Tokens
from rsd_jax.decoding import CodeShape, autoregressive
from rsd_jax.heads.main_head import MainHead, MainHeadConfig, main_function
from rsd_jax.most_likely import most_likely
from rsd_jax.rfsq import QuantizerTable, quantize
from rsd_jax.training.objectives.digit_prediction import LABELS, MainTask
from rsd_jax.training.objectives.interface import Stage, Variables
from rsd_jax.training.objectives.taken_over import TakenOver
from rsd_jax.training.stages.head_rows import HeadData, in_batches, load_head_data
from rsd_jax.training.stages.head_stage import code_sizes, head_stage


@dataclass(frozen=True)
class MainHeadSettings:
    """Settings of the main head's stage: see `MainHeadConfig` and `DigitPrediction`.

    Attributes:
        of_policy: whether it is the head that was trained with a policy of tokens, as it is. Nothing
            is learned then, and the other settings do not count.
    """

    width: int
    depth: int
    column_features: int
    mode_locked: bool
    of_policy: bool
    labels: str
    feature_noise: float
    digit_weight: float

    def build(self, run_dir: Path) -> Stage:
        """Features of the run's frozen policy, tokens of its L1 teacher or of the demonstrations."""
        return main_head_stage(self, load_head_data(run_dir))


def main_head_stage(settings: MainHeadSettings, data: HeadData) -> Stage:
    """The stage on features and labels at hand."""
    sizes: dict[str, Any] = {
        "width": settings.width,
        "depth": settings.depth,
        "column_features": settings.column_features,
    }
    config = data.policy.network.main if settings.of_policy else MainHeadConfig(**code_sizes(data), **sizes)
    if config is None:
        raise ValueError(
            "model.of_policy=True asks for the main head of the policy, and the run's policy was trained without one; "
            "train that with model.learns=tokens (configs/policy.py), or leave of_policy out"
        )
    model = MainHead(config)
    run = (jax.jit(partial(name_digits, model)), jax.jit(partial(decode_greedily, model)))
    stage = head_stage("main_head", MainTask(model), data, settings, partial(_evaluate, *run, data, settings.labels))
    return replace(stage, objective=TakenOver(stage.objective, data.policy.main)) if settings.of_policy else stage


def name_digits(model: MainHead, params: PyTree, table: QuantizerTable, features: Features, tokens: Tokens) -> Tokens:
    """The most likely digit of every layer given the coarser digits in `tokens`, ``[B, C, D, L]``."""
    start = jnp.zeros(tokens.shape[:-1], jnp.int32)
    logits = model.apply({"params": params}, features, table, tokens, start, table.num_layers)
    return most_likely(logits)


class Decoded(NamedTuple):
    """Digits ``[B, C, D, L]`` that a head names by itself.

    Attributes:
        free_running: layer after layer, each given the head's own coarser digits.
        one_pass: those of the head's estimate of the latents, at once.
    """

    free_running: Tokens
    one_pass: Tokens


def decode_greedily(model: MainHead, params: PyTree, table: QuantizerTable, features: Features) -> Decoded:
    """What the head names without being told any digit."""
    columns = model.apply({"params": params}, features, method="contextualise")
    batch_size, chunk_length, latent_dim = columns.latents.shape
    # Nothing is drafted, so which digits would count does not matter.
    every_digit = jnp.ones((table.num_layers, latent_dim), bool)
    shape = CodeShape(chunk_length, latent_dim, table.num_layers, draft_layers=0, informative=every_digit)
    main = main_function(model, params, table)
    free_running = autoregressive(columns, main, shape, batch_size, unrolled=False).tokens  # run once a save
    return Decoded(free_running, quantize(table, columns.latents))


def _evaluate(
    name: Callable[..., jax.Array],
    decode: Callable[..., Decoded],
    data: HeadData,
    trained_on: str,
    variables: Variables,
) -> dict[str, Any]:
    """Accuracy of every layer: teacher-forced on strictly coarser digits, and of what the head names by itself."""
    table = data.frozen.tokenizer.table
    decoded: Decoded = in_batches(partial(decode, variables.params, table), data.heldout.features)
    result: dict[str, Any] = {}
    for labels in LABELS:
        tokens = data.tokens[labels][1]
        call = partial(name, variables.params, table)
        accuracy = data.accuracy(in_batches(call, data.heldout.features, tokens), labels, table.num_layers)
        result[f"accuracy_by_layer_{labels}"], result[f"majority_by_layer_{labels}"] = accuracy
        for kind, digits in decoded._asdict().items():
            by_layer = data.accuracy(digits, labels, table.num_layers).accuracy
            result[f"{kind}_accuracy_by_layer_{labels}"] = by_layer
            result[f"{kind}_decoded_{labels}"] = data.decoded_error(digits, labels)._asdict()
    result["accuracy_by_layer"] = result[f"accuracy_by_layer_{trained_on}"]
    result["majority_by_layer"] = result[f"majority_by_layer_{trained_on}"]
    result["heldout_error"] = 1 - float(np.mean(result["accuracy_by_layer"]))
    return result

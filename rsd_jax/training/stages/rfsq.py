"""The tokenizer's stage: its data, its objective, and its evaluation on held-out episodes."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from rsd_jax.actions.normalizer import GRIPPER, ActionNormalizer
from rsd_jax.rfsq import AutoencoderConfig, RfsqTokenizer
from rsd_jax.training.demonstrations import action_rows, load_split
from rsd_jax.training.objectives.action_autoencoding import ActionAutoencoding, QuantizerConfig
from rsd_jax.training.objectives.interface import Stage, Variables


@dataclass(frozen=True)
class RfsqSettings:
    """Settings of the tokenizer's stage.

    Attributes:
        chunk_length: C. hidden_features, latent_dim: sizes of the autoencoder.
        num_layers, num_levels, span, decay, freeze_after: see `QuantizerConfig`.
        smallest_half_range: see `ActionNormalizer.from_actions`.
        heldout_every: every how many-th episode of a task is held out.
    """

    chunk_length: int
    hidden_features: int
    latent_dim: int
    num_layers: int
    num_levels: int
    span: float
    decay: float
    freeze_after: int
    smallest_half_range: float
    heldout_every: int


def build(settings: RfsqSettings, run_dir: Path) -> Stage:
    """Chunks of all demonstrations of the run, those behind an episode's end left out."""
    split = load_split(run_dir, settings.heldout_every)
    train, heldout = (action_rows(demos, settings.chunk_length) for demos in split)
    executed = action_rows(split.heldout, settings.chunk_length, "actions")
    train_chunks, heldout_chunks, executed_chunks = (
        rows.actions[rows.mask.all(axis=1)] for rows in (train, heldout, executed)
    )
    steps = train.actions[train.mask]
    normalizer = ActionNormalizer.from_actions(steps, settings.smallest_half_range)
    objective = ActionAutoencoding(
        AutoencoderConfig(steps.shape[-1], settings.hidden_features, settings.latent_dim),
        QuantizerConfig(
            settings.num_layers, settings.num_levels, settings.span, settings.decay, settings.freeze_after
        ),
        settings.chunk_length,
    )
    layout = objective.tokenizer(objective.init(jax.random.key(0)), normalizer).layout()
    return Stage(
        name="rfsq",
        objective=objective,
        frozen=normalizer,
        rows={"actions": train_chunks},
        evaluate=partial(_evaluate, objective, normalizer, heldout_chunks, executed_chunks),
        best_metric="heldout_token_mse",
        metadata={"layout": layout, "normalizer": normalizer.to_json(), "span": settings.span},
    )


def _evaluate(
    objective: ActionAutoencoding,
    normalizer: ActionNormalizer,
    actions: NDArray[np.float32],
    executed: NDArray[np.float32],
    variables: Variables,
) -> dict[str, Any]:
    """Errors of actions decoded from tokens alone, against the loss's own forward pass and the naive baseline.

    `actions` are the expert's, which policies learn; `executed` are the same steps with the noise that was injected.
    """
    tokenizer = objective.tokenizer(variables, normalizer)
    tokens = tokenizer.tokenize(actions)
    decoded = np.asarray(tokenizer.detokenize(tokens))
    forward = np.asarray(_forward(objective, tokenizer, actions))
    by_layer = token_errors(tokenizer, actions)
    return {
        "heldout_token_mse": by_layer[-1],
        "heldout_token_mse_by_layer": by_layer,
        "heldout_executed_token_mse": token_errors(tokenizer, executed)[-1],
        "naive_heldout_token_mse": token_errors(objective.naive_tokenizer(variables, normalizer), actions)[-1],
        "largest_forward_minus_token": float(np.abs(forward - decoded).max()),
        "gripper_exact_fraction": float(np.mean(decoded[..., GRIPPER] == np.sign(actions[..., GRIPPER]))),
        "heldout_chunks": len(actions),
        "tokenizer_hash": tokenizer.token_hash,
    }


@partial(jax.jit, static_argnums=0)
def _forward(objective: ActionAutoencoding, tokenizer: RfsqTokenizer, actions: jax.Array) -> jax.Array:
    """The forward pass of the loss function, in the dataset's units."""
    normalized = tokenizer.normalizer.normalize(actions)
    return tokenizer.normalizer.denormalize(
        objective.reconstruct(tokenizer.params, tokenizer.table, normalized).actions
    )


def token_errors(tokenizer: RfsqTokenizer, actions: NDArray[np.float32]) -> list[float]:
    """Mean squared error of the six motion dimensions in half-ranges, decoded from the first 1 .. L layers of tokens.

    Against `actions` as they are, not clipped to the training range; the gripper is left out.
    """
    return np.asarray(_token_errors(tokenizer, actions)).tolist()


@jax.jit
def _token_errors(tokenizer: RfsqTokenizer, actions: jax.Array) -> jax.Array:
    tokens = tokenizer.tokenize(actions)
    errors = []
    for depth in range(1, tokenizer.table.num_layers + 1):
        difference = (tokenizer.detokenize(tokens, depth) - actions) / tokenizer.normalizer.half_range
        errors.append(jnp.mean(difference[..., :GRIPPER] ** 2))
    return jnp.stack(errors)

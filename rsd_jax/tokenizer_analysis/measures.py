"""Everything about a tokenizer that its tokens on held-out actions tell."""

from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from rsd_jax.actions.normalizer import GRIPPER, ActionNormalizer
from rsd_jax.rfsq import RfsqTokenizer, residuals
from rsd_jax.rfsq.code_usage import code_usage
from rsd_jax.tokenizer_analysis.largest_change import largest_change_found
from rsd_jax.training.objectives.action_autoencoding import ActionAutoencoding
from rsd_jax.training.stages.rfsq import ActionData, clipped_fraction, loss_forward, token_errors

NOISE = {"1e-3": 1e-3, "1e-2": 1e-2}
"""Standard deviations of the noise under which tokens are watched, in normalised action units."""

MOVING_BITS = 0.1
"""Entropy from which on a digit counts as moving, in bits."""

_RESOLVED = 1e-5
"""Changes of actions below this are a few units in the last place."""


def measure(
    tokenizer: RfsqTokenizer, labels: NDArray[np.float32], executed: NDArray[np.float32], seed: int
) -> dict[str, Any]:
    """Figures of `tokenizer` on held-out chunks, as JSON values; see docs/tokenizer.md for each.

    Args:
        tokenizer: judged by what its tokens alone decode to.
        labels: held-out chunks ``[N, C, A]`` in the dataset's units. executed: the same steps with injected noise.
        seed: of the noise and of the search for large changes.
    """
    tokens = np.asarray(tokenizer.tokenize(labels))
    table = tokenizer.table
    informative = np.asarray(table.informative)
    usage = code_usage(tokens, np.asarray(table.levels_exist), informative)
    moving = informative & (usage.entropy > MOVING_BITS)
    by_layer = token_errors(tokenizer, labels)
    decoded = np.asarray(tokenizer.detokenize(tokens))
    return {
        "token_mse_by_layer": by_layer,
        "token_mse_by_dimension": error_by_dimension(tokenizer.normalizer, decoded, labels),
        "executed_token_mse": token_errors(tokenizer, executed)[-1],
        "smallest_layer_gain": float(np.min(np.array(by_layer[:-1]) / np.maximum(by_layer[1:], 1e-30))),
        "worst_error_by_dimension": np.abs(decoded - labels).max(axis=(0, 1)).tolist(),
        "gripper_exact": float(np.mean(decoded[..., GRIPPER] == np.sign(labels[..., GRIPPER]))),
        "informative_fraction": float(informative.mean()),
        "moving": moving.tolist(),
        "moving_fraction": float(moving.mean()),
        "tokens_per_step": tokens.shape[2] * tokens.shape[3],
        "bits_per_step": usage.bits_per_step,
        "bits_by_layer": usage.entropy.sum(axis=1).tolist(),
        "perplexity_by_layer": usage.perplexity_by_layer,
        "usage_by_layer": usage.usage_by_layer,
        "residual_scale_by_layer": _residual_scales(tokenizer, labels, tokens),
        **_flips(tokenizer, labels, tokens, informative, moving, seed),
        "bounds": _bounds(tokenizer, seed),
    }


def forward_minus_token_mse(
    objective: ActionAutoencoding, tokenizer: RfsqTokenizer, actions: NDArray[np.float32]
) -> float:
    """Mean squared difference between what tokens decode to and the loss function's own forward pass."""
    decoded = np.asarray(tokenizer.detokenize(tokenizer.tokenize(actions)), np.float64)
    return float(np.mean((np.asarray(loss_forward(objective, tokenizer, actions)) - decoded) ** 2))


def clipped_fractions(actions: ActionData) -> dict[str, float]:
    """Share of the motion numbers that lie beyond the normalizer's range, of held-out labels and executed actions."""
    held_out = {"labels": actions.heldout, "executed": actions.heldout_executed}
    return {name: clipped_fraction(actions.normalizer, chunks) for name, chunks in held_out.items()}


def quantile_clip_loss(train: NDArray[np.float32], heldout: NDArray[np.float32]) -> list[float]:
    """What normalising by training actions' q01 and q99 and clipping, as OpenVLA does, loses of other actions.

    Mean square in half ranges of the quantiles, by dimension, ``[A]``: no tokenizer behind such a range is better.
    """
    q01, q99 = np.quantile(train.reshape(-1, train.shape[-1]), [0.01, 0.99], axis=0).astype(np.float32)
    normalizer = ActionNormalizer.from_quantiles(q01, q99, mask=q99 > q01)
    return np.asarray(normalizer.clip_loss(jnp.asarray(heldout.reshape(-1, heldout.shape[-1])))).tolist()


def error_by_dimension(
    normalizer: ActionNormalizer, decoded: NDArray[np.float32], actions: NDArray[np.float32]
) -> list[float]:
    """Mean squared error of every action dimension in half ranges, ``[A]``."""
    relative = (decoded - actions) / np.asarray(normalizer.half_range)
    errors: list[float] = np.mean(relative**2, axis=(0, 1)).tolist()
    return errors


def _residual_scales(tokenizer: RfsqTokenizer, actions: NDArray[np.float32], tokens: NDArray[np.int32]) -> list[float]:
    """Root mean square of what each layer quantizes, over all latents."""
    values = residuals(tokenizer.table, tokenizer.latents(actions), jnp.asarray(tokens))
    scales: list[float] = np.sqrt(np.mean(np.asarray(values, np.float64) ** 2, axis=(0, 1, 2))).tolist()
    return scales


def _flips(
    tokenizer: RfsqTokenizer,
    actions: NDArray[np.float32],
    tokens: NDArray[np.int32],
    informative: NDArray[np.bool_],
    moving: NDArray[np.bool_],
    seed: int,
) -> dict[str, Any]:
    """Shares of digits that change when Gaussian noise is added to the normalised action."""
    result: dict[str, Any] = {"flips": {}, "flips_moving": {}, "flips_by_layer": {}, "changed_tokens_per_step": {}}
    for name, noisy in noisy_actions(tokenizer.normalizer, actions, seed):
        changed = (np.asarray(tokenizer.tokenize(noisy)) != tokens).mean(axis=(0, 1)).T  # [L, D]
        result["changed_tokens_per_step"][name] = float(changed.sum())
        result["flips"][name] = _mean_where(changed, informative)
        result["flips_moving"][name] = _mean_where(changed, moving)
        result["flips_by_layer"][name] = [
            _mean_where(row, counted) for row, counted in zip(changed, informative, strict=True)
        ]
    return result


def noisy_actions(
    normalizer: ActionNormalizer, actions: NDArray[np.float32], seed: int
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """`actions` with Gaussian noise of every size in `NOISE`, by its name."""
    generator = np.random.default_rng(seed)
    for name, scale in NOISE.items():
        noise = scale * np.asarray(normalizer.half_range) * generator.standard_normal(actions.shape)
        yield name, (actions + noise).astype(np.float32)


def _mean_where(values: NDArray[np.floating], counted: NDArray[np.bool_]) -> float:
    return float(values[counted].mean()) if counted.any() else 0.0


def _bounds(tokenizer: RfsqTokenizer, seed: int) -> dict[str, Any]:
    """Bound on later layers' changes, and the largest change that a search finds, by number of layers kept."""
    bound = np.stack([np.asarray(tokenizer.error_bound(depth)) for depth in range(tokenizer.num_layers + 1)])
    found = largest_change_found(tokenizer, seed)
    return {
        "bound_by_layer": bound.tolist(),
        "largest_found_by_layer": found.tolist(),
        "largest_ratio": largest_ratio(bound, found),
        "largest_excess": float((found - bound).max()),
    }


def largest_ratio(bound: NDArray[np.floating], found: NDArray[np.floating]) -> float:
    """Largest ratio of bound to found change ``[L + 1, A]``, over the motion dimensions.

    The gripper is left out, whose sign either can change or cannot; so are changes that float32 hardly resolves.
    """
    counted = bound[:, :GRIPPER] > _RESOLVED
    return float((bound[:, :GRIPPER][counted] / np.maximum(found[:, :GRIPPER][counted], _RESOLVED)).max(initial=1.0))

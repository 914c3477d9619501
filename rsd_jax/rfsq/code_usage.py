"""How much of a code the data use: entropy, perplexity, bits."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsd_jax.rfsq.given_values import check_token_ids


class CodeUsage(NamedTuple):
    """Statistics of tokens over many action steps.

    Attributes:
        entropy: of every digit, in bits, ``[L, D]``, all chunk steps taken together.
        bits_per_step: sum over all digits of an action step: what an entropy coder without context would need.
        perplexity_by_layer: 2 to the mean entropy of a layer's informative digits, ``[L]``; 1 where there are none.
        usage_by_layer: share of the levels of a layer's informative digits that occur, ``[L]``.
    """

    entropy: NDArray[np.float64]
    bits_per_step: float
    perplexity_by_layer: list[float]
    usage_by_layer: list[float]


def code_usage(
    tokens: NDArray[np.integer], levels_exist: NDArray[np.bool_], informative: NDArray[np.bool_]
) -> CodeUsage:
    """Counts tokens.

    Args:
        tokens: ``[N, C, D, L]``.
        levels_exist: which tokens each digit can take, ``[L, D, V]``.
        informative: digits that can take more than one level, ``[L, D]``.

    Raises:
        ValueError: `tokens` is of another shape, or holds what is no token: nothing would count it.
    """
    layers, latents, num_levels = levels_exist.shape
    if tokens.ndim != 4 or tokens.shape[2:] != (latents, layers):
        raise ValueError(f"tokens has shape {tokens.shape}; expected [N, C, {latents}, {layers}]")
    check_token_ids(tokens, num_levels)
    counts = np.stack([(tokens == token).sum(axis=(0, 1)) for token in range(num_levels)], axis=-1)  # [D, L, V]
    frequency = np.swapaxes(counts, 0, 1) / max(len(tokens) * tokens.shape[1], 1)
    entropy = -np.sum(frequency * np.log2(np.where(frequency > 0, frequency, 1.0)), axis=-1)
    digits = np.maximum(informative.sum(axis=1), 1)
    mean_entropy = np.where(informative, entropy, 0.0).sum(axis=1) / digits
    used = ((frequency > 0) & levels_exist & informative[..., None]).sum(axis=(1, 2))
    possible = np.maximum((levels_exist & informative[..., None]).sum(axis=(1, 2)), 1)
    return CodeUsage(entropy, float(entropy.sum()), (2.0**mean_entropy).tolist(), (used / possible).tolist())

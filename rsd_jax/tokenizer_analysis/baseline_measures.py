"""The figures of `measures` for tokenizers without layers: OpenVLA's bins, and FAST's strings."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_jax.actions.normalizer import GRIPPER, ActionNormalizer
from rsd_jax.rfsq.baselines import DctBpe, UniformBins
from rsd_jax.rfsq.code_usage import code_usage
from rsd_jax.tokenizer_analysis.measures import error_by_dimension, noisy_actions

RANDOM_STRINGS = 2000
"""Strings drawn to see how many of them decode."""


def measure_bins(tokenizer: UniformBins, labels: NDArray[np.float32], seed: int) -> dict[str, Any]:
    """Figures of uniform bins on held-out chunks."""
    tokens = np.asarray(tokenizer.tokenize(labels))
    decoded = np.asarray(tokenizer.detokenize(tokens))
    everything = np.ones((1, tokens.shape[2]), bool)
    usage = code_usage(tokens, np.ones((1, tokens.shape[2], tokenizer.num_levels), bool), everything)
    flips = {
        name: float((np.asarray(tokenizer.tokenize(noisy)) != tokens).mean())
        for name, noisy in noisy_actions(tokenizer.normalizer, labels, seed)
    }
    return {
        **_errors(tokenizer.normalizer, decoded, labels),
        "tokens_per_step": tokens.shape[2],
        "informative_fraction": 1.0,
        "bits_per_step": usage.bits_per_step,
        "perplexity_by_layer": usage.perplexity_by_layer,
        "usage_by_layer": usage.usage_by_layer,
        "flips": flips,
        "changed_tokens_per_step": {name: tokens.shape[2] * share for name, share in flips.items()},
        "decodable_fraction_of_random_strings": 1.0,
    }


def measure_dct_bpe(tokenizer: DctBpe, labels: NDArray[np.float32], seed: int) -> dict[str, Any]:
    """Figures of DCT + BPE on held-out chunks.

    A flip is a place at which the strings with and without noise differ, over the longer string: one merged pair
    less moves all tokens behind it. `changed_strings` counts chunks.
    """
    strings = tokenizer.tokenize(labels)
    lengths = np.array([len(string) for string in strings])
    counts = np.bincount(np.concatenate([np.asarray(string) for string in strings]), minlength=tokenizer.vocab_size)
    frequency = counts[counts > 0] / counts.sum()
    entropy = float(-(frequency * np.log2(frequency)).sum())
    flips, changed = {}, {}
    for name, noisy in noisy_actions(tokenizer.normalizer, labels, seed):
        pairs = list(zip(strings, tokenizer.tokenize(noisy), strict=True))
        flips[name] = float(np.mean([_differing(a, b) for a, b in pairs]))
        changed[name] = float(np.mean([a != b for a, b in pairs]))
    generator = np.random.default_rng(seed)
    drawn = [generator.integers(0, tokenizer.vocab_size, length).tolist() for length in lengths[:RANDOM_STRINGS]]
    return {
        **_errors(tokenizer.normalizer, tokenizer.detokenize(strings).actions, labels),
        "tokens_per_step": float(lengths.mean() / tokenizer.chunk_length),
        "bits_per_step": float(entropy * lengths.mean() / tokenizer.chunk_length),
        "perplexity_by_layer": [2.0**entropy],
        "usage_by_layer": [float((counts > 0).mean())],
        "flips": flips,
        "changed_strings": changed,
        "changed_tokens_per_step": {
            name: share * float(lengths.mean()) / tokenizer.chunk_length for name, share in flips.items()
        },
        "decodable_fraction_of_random_strings": float(tokenizer.detokenize(drawn).is_decodable.mean()),
    }


def _errors(
    normalizer: ActionNormalizer, decoded: NDArray[np.float32], actions: NDArray[np.float32]
) -> dict[str, Any]:
    by_dimension = error_by_dimension(normalizer, decoded, actions)
    return {
        "token_mse_by_layer": [float(np.mean(by_dimension[:GRIPPER]))],
        "token_mse_by_dimension": by_dimension,
        "worst_error_by_dimension": np.abs(decoded - actions).max(axis=(0, 1)).tolist(),
        "gripper_exact": float(np.mean(decoded[..., GRIPPER] == np.sign(actions[..., GRIPPER]))),
    }


def _differing(first: list[int], second: list[int]) -> float:
    same = sum(a == b for a, b in zip(first, second, strict=False))
    return 1 - same / max(len(first), len(second))

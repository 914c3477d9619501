"""Decoders: pure functions from features and two model functions to tokens."""

from rsd_jax.decoding.autoregressive import autoregressive
from rsd_jax.decoding.interface import (
    AcceptanceCounts,
    CodeShape,
    DecodeResult,
    DraftFn,
    GivenTokens,
    MainFn,
    nothing_given,
)
from rsd_jax.decoding.speculative import speculative_greedy

__all__ = [
    "AcceptanceCounts",
    "CodeShape",
    "DecodeResult",
    "DraftFn",
    "GivenTokens",
    "MainFn",
    "autoregressive",
    "nothing_given",
    "speculative_greedy",
]

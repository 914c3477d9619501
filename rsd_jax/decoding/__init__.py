"""Decoders: pure functions from features and two model functions to tokens."""

from rsd_jax.decoding.autoregressive import autoregressive
from rsd_jax.decoding.interface import AcceptanceCounts, CodeShape, Decoder, DecodeResult, DraftFn, MainFn
from rsd_jax.decoding.speculative import speculative_greedy

__all__ = [
    "AcceptanceCounts",
    "CodeShape",
    "DecodeResult",
    "Decoder",
    "DraftFn",
    "MainFn",
    "autoregressive",
    "speculative_greedy",
]

"""Decoders: pure functions from features and two model functions to tokens."""

from rsd_jax.decoding.autoregressive import autoregressive
from rsd_jax.decoding.caching import CachingMainFn
from rsd_jax.decoding.column_locality import sees_other_columns
from rsd_jax.decoding.column_sets import columns_in_sets
from rsd_jax.decoding.fixed_point import fixed_point
from rsd_jax.decoding.interface import (
    AcceptanceCounts,
    CodeShape,
    DecodeResult,
    DecodeTrace,
    DraftFn,
    GivenTokens,
    MainFn,
    column_local,
    is_column_local,
    nothing_given,
)
from rsd_jax.decoding.one_pass import one_pass
from rsd_jax.decoding.promise import promised_tokens
from rsd_jax.decoding.rules import AcceptanceRule, Certified, LosslessGreedy, LosslessSampling, TokenDistance
from rsd_jax.decoding.speculative import speculative, speculative_greedy

__all__ = [
    "AcceptanceCounts",
    "AcceptanceRule",
    "CachingMainFn",
    "Certified",
    "CodeShape",
    "DecodeResult",
    "DecodeTrace",
    "DraftFn",
    "GivenTokens",
    "LosslessGreedy",
    "LosslessSampling",
    "MainFn",
    "TokenDistance",
    "autoregressive",
    "column_local",
    "columns_in_sets",
    "fixed_point",
    "is_column_local",
    "nothing_given",
    "one_pass",
    "promised_tokens",
    "sees_other_columns",
    "speculative",
    "speculative_greedy",
]

"""Ways to fill a quantizer's table, by name."""

from typing import Any, cast

from rsd_jax.registry import Registry
from rsd_jax.rfsq.strategies.fixed import FixedTable, Geometric, Naive, Nested
from rsd_jax.rfsq.strategies.interface import QuantizerStrategy, QuantizerVariables
from rsd_jax.rfsq.strategies.layer_norm import LayerNorm
from rsd_jax.rfsq.strategies.learned_scale import LearnedScale
from rsd_jax.rfsq.strategies.staggered import Staggered

STRATEGIES: dict[str, type] = {
    "layernorm": LayerNorm,
    "learned_scale": LearnedScale,
    "geometric": Geometric,
    "naive": Naive,
    "nested": Nested,
    "staggered": Staggered,
}

_QUANTIZERS = Registry("quantizer", "strategy", STRATEGIES)


def describe_strategy(strategy: QuantizerStrategy) -> dict[str, Any]:
    """Name and fields of a strategy, as JSON values."""
    return _QUANTIZERS.describe(strategy)


def make_strategy(strategy: str, **fields: Any) -> QuantizerStrategy:
    """Inverse of `describe_strategy`; raises ValueError for a strategy or fields that do not exist."""
    return cast(QuantizerStrategy, _QUANTIZERS.make(strategy, fields))


__all__ = [
    "STRATEGIES",
    "FixedTable",
    "Geometric",
    "LayerNorm",
    "LearnedScale",
    "Naive",
    "Nested",
    "QuantizerStrategy",
    "QuantizerVariables",
    "Staggered",
    "describe_strategy",
    "make_strategy",
]

"""Ways to fill a quantizer's table, by name."""

from dataclasses import asdict
from typing import Any

from rsd_jax.rfsq.strategies.fixed import FixedTable, Geometric, Naive, Nested
from rsd_jax.rfsq.strategies.interface import QuantizerStrategy, QuantizerVariables
from rsd_jax.rfsq.strategies.layer_norm import LayerNorm
from rsd_jax.rfsq.strategies.learned_scale import LearnedScale
from rsd_jax.rfsq.strategies.staggered import Staggered

STRATEGIES: dict[str, Any] = {
    "layernorm": LayerNorm,
    "learned_scale": LearnedScale,
    "geometric": Geometric,
    "naive": Naive,
    "nested": Nested,
    "staggered": Staggered,
}


def describe_strategy(strategy: QuantizerStrategy) -> dict[str, Any]:
    """Name and fields of a strategy, as JSON values."""
    name = next(name for name, kind in STRATEGIES.items() if type(strategy) is kind)
    fields: dict[str, Any] = asdict(strategy)  # type: ignore[call-overload]
    return {"strategy": name, **{name: list(v) if isinstance(v, tuple) else v for name, v in fields.items()}}


def make_strategy(strategy: str, **fields: Any) -> QuantizerStrategy:
    """Inverse of `describe_strategy`.

    Raises:
        ValueError: no such strategy, or fields that it does not have.
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"quantizer strategy is {strategy!r}; it must be one of {', '.join(STRATEGIES)}")
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    try:
        made: QuantizerStrategy = STRATEGIES[strategy](**values)
    except TypeError as error:
        raise ValueError(f"quantizer strategy {strategy!r} cannot be made of {fields}: {error}") from error
    return made


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

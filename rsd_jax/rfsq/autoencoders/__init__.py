"""Networks and frames around the quantizer, by name."""

from dataclasses import asdict
from typing import Any

from rsd_jax.rfsq.autoencoders.interface import Autoencoder
from rsd_jax.rfsq.autoencoders.mlp import MlpAutoencoder
from rsd_jax.rfsq.autoencoders.repetition import RepetitionFrame

_KINDS: dict[str, Any] = {"mlp": MlpAutoencoder, "repetition": RepetitionFrame}


def describe_autoencoder(autoencoder: Autoencoder) -> dict[str, Any]:
    """Kind and fields of an autoencoder, as JSON values."""
    kind = next(name for name, of_kind in _KINDS.items() if isinstance(autoencoder, of_kind))
    fields: dict[str, Any] = asdict(autoencoder)  # type: ignore[call-overload]
    return {"kind": kind, **{name: list(v) if isinstance(v, tuple) else v for name, v in fields.items()}}


def make_autoencoder(kind: str, **fields: Any) -> Autoencoder:
    """Inverse of `describe_autoencoder`.

    Raises:
        ValueError: no such kind, or fields that it does not have.
    """
    if kind not in _KINDS:
        raise ValueError(f"autoencoder kind is {kind!r}; it must be one of {', '.join(_KINDS)}")
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    try:
        made: Autoencoder = _KINDS[kind](**values)
    except TypeError as error:
        raise ValueError(f"autoencoder of kind {kind!r} cannot be made of {fields}: {error}") from error
    return made


__all__ = ["Autoencoder", "MlpAutoencoder", "RepetitionFrame", "describe_autoencoder", "make_autoencoder"]

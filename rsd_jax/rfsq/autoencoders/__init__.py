"""Networks and frames around the quantizer, by name."""

from typing import Any, cast

from rsd_jax.registry import Registry
from rsd_jax.rfsq.autoencoders.interface import Autoencoder
from rsd_jax.rfsq.autoencoders.mlp import MlpAutoencoder
from rsd_jax.rfsq.autoencoders.repetition import RepetitionFrame

_AUTOENCODERS = Registry("autoencoder", "kind", {"mlp": MlpAutoencoder, "repetition": RepetitionFrame})


def describe_autoencoder(autoencoder: Autoencoder) -> dict[str, Any]:
    """Kind and fields of an autoencoder, as JSON values."""
    return _AUTOENCODERS.describe(autoencoder)


def make_autoencoder(kind: str, **fields: Any) -> Autoencoder:
    """Inverse of `describe_autoencoder`; raises ValueError for a kind or fields that do not exist."""
    return cast(Autoencoder, _AUTOENCODERS.make(kind, fields))


__all__ = ["Autoencoder", "MlpAutoencoder", "RepetitionFrame", "describe_autoencoder", "make_autoencoder"]

"""Residual finite scalar quantization of action chunks."""

from rsd_jax.rfsq.autoencoders import Autoencoder, MlpAutoencoder, RepetitionFrame
from rsd_jax.rfsq.certificate import Certificate, make_certificate
from rsd_jax.rfsq.flat_tokens import from_flat, to_flat
from rsd_jax.rfsq.residual_quantizer import (
    QuantizerTable,
    dequantize,
    dequantize_to,
    grid_coordinates,
    make_table,
    quantize,
    residuals,
)
from rsd_jax.rfsq.straight_through import straight_through
from rsd_jax.rfsq.strategies import STRATEGIES, QuantizerStrategy, make_strategy
from rsd_jax.rfsq.tokenizer import RfsqTokenizer, TokenFormatError

__all__ = [
    "STRATEGIES",
    "Autoencoder",
    "Certificate",
    "MlpAutoencoder",
    "QuantizerStrategy",
    "QuantizerTable",
    "RepetitionFrame",
    "RfsqTokenizer",
    "TokenFormatError",
    "dequantize",
    "dequantize_to",
    "from_flat",
    "grid_coordinates",
    "make_certificate",
    "make_strategy",
    "make_table",
    "quantize",
    "residuals",
    "straight_through",
    "to_flat",
]

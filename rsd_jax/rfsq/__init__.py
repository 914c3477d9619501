"""Residual finite scalar quantization of action chunks."""

from rsd_jax.rfsq.autoencoder import AutoencoderConfig
from rsd_jax.rfsq.layer_statistics import LayerStatistics, initial_statistics, table_from_statistics, update_statistics
from rsd_jax.rfsq.residual_quantizer import QuantizerTable, dequantize, grid_coordinates, make_table, quantize
from rsd_jax.rfsq.tokenizer import RfsqTokenizer

__all__ = [
    "AutoencoderConfig",
    "LayerStatistics",
    "QuantizerTable",
    "RfsqTokenizer",
    "dequantize",
    "grid_coordinates",
    "initial_statistics",
    "make_table",
    "quantize",
    "table_from_statistics",
    "update_statistics",
]

"""Tokenizers of other papers, to measure RFSQ against."""

from rsd_jax.rfsq.baselines.dct_bpe import DctBpe, DecodedActions
from rsd_jax.rfsq.baselines.uniform_bins import UniformBins

__all__ = ["DctBpe", "DecodedActions", "UniformBins"]

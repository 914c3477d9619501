"""What a head is shown while its parameters are drawn."""

import jax.numpy as jnp

from rsd_jax.array_types import Features, Tokens
from rsd_jax.rfsq import QuantizerTable, make_table
from rsd_jax.rfsq.code_sizes import CodeSizes


def blank_inputs(code: CodeSizes, chunk_length: int, feature_dim: int) -> tuple[Features, QuantizerTable, Tokens]:
    """Features, a table and tokens of one chunk of C steps with F features, which say nothing."""
    ones = jnp.ones((code.num_layers, code.latent_dim), jnp.float32)
    features = jnp.zeros((1, chunk_length, feature_dim), jnp.float32)
    tokens = jnp.zeros((1, chunk_length, code.latent_dim, code.num_layers), jnp.int32)
    return features, make_table(0 * ones, ones, code.num_levels), tokens

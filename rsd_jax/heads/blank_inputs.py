"""What a head is shown while its parameters are drawn."""

from typing import Protocol

import jax.numpy as jnp

from rsd_jax.array_types import Features, Tokens
from rsd_jax.rfsq import QuantizerTable, make_table


class CodeSizes(Protocol):
    """Of the code that a head names: `DraftConfig` and `MainHeadConfig` have them."""

    @property
    def num_layers(self) -> int:
        """L."""
        ...

    @property
    def latent_dim(self) -> int:
        """D."""
        ...

    @property
    def num_levels(self) -> int:
        """V."""
        ...


def blank_inputs(code: CodeSizes, chunk_length: int, feature_dim: int) -> tuple[Features, QuantizerTable, Tokens]:
    """Features, a table and tokens of one chunk of C steps with F features, which say nothing."""
    ones = jnp.ones((code.num_layers, code.latent_dim), jnp.float32)
    features = jnp.zeros((1, chunk_length, feature_dim), jnp.float32)
    tokens = jnp.zeros((1, chunk_length, code.latent_dim, code.num_layers), jnp.int32)
    return features, make_table(0 * ones, ones, code.num_levels), tokens

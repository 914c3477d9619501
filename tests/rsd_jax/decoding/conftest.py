"""Small random networks to decode with."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import pytest

from rsd_jax.decoding.interface import CodeShape, MainFn, column_local

CHUNK, LATENT, LAYERS, LEVELS, FEATURES = 2, 3, 8, 7, 5


@pytest.fixture
def code_shape() -> Callable[[int], CodeShape]:
    """Shape of the toy code for a number of draft layers; layer 6 of latent 1 can take only one level."""
    informative = jnp.ones((LAYERS, LATENT), bool).at[6, 1].set(False)
    return lambda draft_layers: CodeShape(CHUNK, LATENT, LAYERS, draft_layers, informative)


@pytest.fixture
def random_features() -> Callable[[int, int], jax.Array]:
    """Features ``[B, C, F]`` for a seed and a batch size."""
    return lambda seed, batch_size: jax.random.normal(jax.random.key(seed), (batch_size, CHUNK, FEATURES))


@pytest.fixture
def random_main() -> Callable[[int], MainFn]:
    """A random depth-autoregressive main head for a seed.

    The logits of layer l depend on the features and on every coarser digit of their own column; digits from l on are
    multiplied by exact zeros. Asked for layers behind the last one, it answers with noise.
    """

    def make(seed: int) -> MainFn:
        from_features, from_digits = jax.random.split(jax.random.key(seed))
        feature_weights = jax.random.normal(from_features, (FEATURES, LATENT, 2 * LAYERS + 1, LEVELS))
        digit_weights = jax.random.normal(from_digits, (LATENT, 2 * LAYERS + 1, LAYERS, LEVELS, LEVELS))
        coarser = jnp.arange(LAYERS)[None] < jnp.arange(2 * LAYERS + 1)[:, None]

        @column_local
        def main(features: jax.Array, tokens: jax.Array, position: jax.Array | int, *, num_layers: int) -> jax.Array:
            position = jnp.broadcast_to(position, tokens.shape[:-1])
            digits = jax.nn.one_hot(tokens, LEVELS)[:, :, :, None] * coarser[None, None, None, :, :, None]
            by_layer = jnp.einsum("bcf,fdlv->bcdlv", features, feature_weights)
            by_layer += jnp.einsum("bcdlmu,dlmuv->bcdlv", digits, digit_weights)
            wanted = position[..., None] + jnp.arange(num_layers)[None, None, None]
            return jnp.take_along_axis(by_layer, wanted[..., None], axis=3)

        return main

    return make

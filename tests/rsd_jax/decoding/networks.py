"""Random networks of any size to decode with."""

import jax
import jax.numpy as jnp

from rsd_jax.decoding import MainFn, column_local


def random_network(
    seed: jax.Array, layers: int, chunk: int, latents: int, levels: int, batch: int
) -> tuple[MainFn, jax.Array]:
    """A main function, and features ``[B, C, D, L, V]`` for it.

    The logits of a layer depend on the features and on every coarser digit of their own column, and on none from the
    layer on: those are multiplied by exact zeros. Behind the last layer they are noise.
    """
    of_digits, of_features = jax.random.split(jax.random.key(seed))
    weights = jax.random.normal(of_digits, (latents, layers, layers, levels, levels))
    coarser = jnp.arange(layers) < jnp.arange(layers)[:, None]

    @column_local
    def main(features: jax.Array, tokens: jax.Array, position: jax.Array | int, *, num_layers: int) -> jax.Array:
        digits = jax.nn.one_hot(tokens, levels)[:, :, :, None] * coarser[:, :, None]
        by_layer = features + jnp.einsum("bcdlmu,dlmuv->bcdlv", digits, weights)
        by_layer = jnp.pad(by_layer, ((0, 0),) * 3 + ((0, num_layers), (0, 0)), constant_values=99.0)
        wanted = in_every_column(position, tokens)[..., None] + jnp.arange(num_layers)
        return jnp.take_along_axis(by_layer, wanted[..., None], axis=3)

    return main, jax.random.normal(of_features, (batch, chunk, latents, layers, levels))


def in_every_column(position: jax.Array | int, tokens: jax.Array) -> jax.Array:
    """Positions ``[B, C, D]`` of a decoder that gave a number for all columns, or an array."""
    return jnp.broadcast_to(jnp.asarray(position, jnp.int32), tokens.shape[:-1])

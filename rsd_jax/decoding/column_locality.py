"""Whether a main function is `column_local`, as it may declare: changes columns and looks at the others."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool
from numpy.typing import NDArray

from rsd_jax.array_types import PyTree, typecheck
from rsd_jax.decoding.interface import CodeShape, MainFn


@typecheck
def sees_other_columns(
    features: PyTree, main: MainFn, shape: CodeShape, batch_size: int, num_levels: int, key: jax.Array
) -> Bool[Array, ""]:
    """Whether a logit of a column changes when digits and positions of other columns do.

    Half of the columns get other random digits and positions, and the logits of the other half must stay as they are,
    to the last bit; once for every way of halving that it takes to part each two columns. All are computed by the same
    program, the unchanged ones too: another one may round otherwise.

    Args:
        features: what `main` reads, opaque here.
        main: the function to look at, whatever it declares.
        shape: static shape of the code.
        batch_size: B.
        num_levels: V.
        key: of the random digits and positions; consumed.
    """
    columns = (batch_size, shape.chunk_length, shape.latent_dim)
    digit_keys, position_keys = jax.random.split(key, (2, 2))
    own, other = (
        jax.random.randint(digits, (*columns, shape.num_layers), 0, num_levels, jnp.int32) for digits in digit_keys
    )
    own_position, other_position = (
        jax.random.randint(positions, columns, 0, shape.num_layers, jnp.int32) for positions in position_keys
    )
    layers = own_position[..., None] + jnp.arange(shape.num_layers, dtype=jnp.int32)

    def score(is_other: jax.Array) -> jax.Array:
        tokens = jnp.where(is_other[..., None], other, own)
        return main(features, tokens, jnp.where(is_other, other_position, own_position), num_layers=shape.num_layers)

    halves = jnp.asarray(_halves(shape.chunk_length, shape.latent_dim))
    logits = jax.lax.map(score, jnp.concatenate([jnp.zeros_like(halves[:1]), halves]))
    expected, found = logits[:1], logits[1:]
    is_same = (found == expected) | (jnp.isnan(found) & jnp.isnan(expected))
    # Logits behind the last layer are undefined.
    counted = ~halves[:, None, ..., None, None] & (layers < shape.num_layers)[..., None]
    return jnp.any(counted & ~is_same)


def _halves(chunk_length: int, latent_dim: int) -> NDArray[np.bool_]:
    """The columns whose number has bit i, and those whose number has not, for all bits: ``[2 * bits, C, D]``."""
    number = np.arange(chunk_length * latent_dim).reshape(chunk_length, latent_dim)
    bits = max(1, int(number.max()).bit_length())
    has_bit = (number >> np.arange(bits)[:, None, None]) & 1 == 1
    return np.concatenate([has_bit, ~has_bit])

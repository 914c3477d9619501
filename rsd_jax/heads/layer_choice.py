"""Which layers a pass scores: the same in every column, known while tracing, or each column's own.

Where they are known a head takes slices, and what it computes of coarser digits ends where they end. Where every
column stands elsewhere it has to pick, column by column, and looks at all layers for that.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Shaped

from rsd_jax.array_types import Position


@dataclass(frozen=True)
class SameLayers:
    """Layers ``first .. first + count - 1`` in every column; those behind the last one repeat it.

    Attributes:
        first: 0 .. L - 1. count: N. num_layers: L.
    """

    first: int
    count: int
    num_layers: int

    def of_columns(self, values: Shaped[Array, "B C D L *rest"]) -> Shaped[Array, "B C D N *rest"]:
        """Entries at these layers, of values that differ between columns."""
        return self._along(values, axis=3)

    def of_digits(self, values: Shaped[Array, "D L *rest"]) -> Shaped[Array, "D N *rest"]:
        """Entries at these layers, of values that a latent's columns share; broadcasts with `of_columns`."""
        return self._along(values, axis=1)

    def _along(self, values: jax.Array, axis: int) -> jax.Array:
        last = min(self.first + self.count, self.num_layers)
        chosen = jax.lax.slice_in_dim(values, self.first, last, axis=axis)
        missing = self.count - chosen.shape[axis]
        if not missing:
            return chosen
        finest = jax.lax.slice_in_dim(values, self.num_layers - 1, self.num_layers, axis=axis)
        return jnp.concatenate([chosen, *[finest] * missing], axis=axis)


@dataclass(frozen=True)
class OwnLayers:
    """Layers of each column.

    Attributes:
        layers: ``[B, C, D, N]``, 0 .. L - 1. num_layers: L.
    """

    layers: Int[Array, "B C D N"]
    num_layers: int

    def of_columns(self, values: Shaped[Array, "B C D L *rest"]) -> Shaped[Array, "B C D N *rest"]:
        """Entries at each column's layers, of values that differ between columns."""
        if values.ndim == self.layers.ndim:
            return jnp.take_along_axis(values, self.layers, axis=-1)
        # Products with one-hot layers, which accelerators do faster than gathers of rows.
        return jnp.einsum("bcdnl,bcdl...->bcdn...", self._one_hot, values)

    def of_digits(self, values: Shaped[Array, "D L *rest"]) -> Shaped[Array, "B C D N *rest"]:
        """Entries at each column's layers, of values that a latent's columns share."""
        if values.ndim == 2:
            return self.of_columns(jnp.broadcast_to(values, (*self.layers.shape[:-1], self.num_layers)))
        return jnp.einsum("bcdnl,dl...->bcdn...", self._one_hot, values)

    @property
    def _one_hot(self) -> jax.Array:
        return jax.nn.one_hot(self.layers, self.num_layers)


LayerChoice = SameLayers | OwnLayers


def choose_layers(position: Position | int, count: int, num_layers: int) -> LayerChoice:
    """The `count` layers from `position` on; those behind the last one repeat it.

    Args:
        position: first layer, from 0 on; a Python number where it is the same in every column.
        count: N.
        num_layers: L.
    """
    if isinstance(position, int):
        return SameLayers(min(position, num_layers - 1), count, num_layers)
    return OwnLayers(jnp.minimum(position[..., None] + jnp.arange(count), num_layers - 1), num_layers)

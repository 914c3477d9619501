"""Pytrees of arrays as rows of bytes, so that a row crosses between host and device in one copy."""

from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, UInt8
from numpy.typing import NDArray

from rsd_jax.array_types import PyTree, typecheck

Bytes = NDArray[np.uint8]


class ByteLayout:
    """Where each array of a pytree lies in a row of bytes: the same on the host, in views, and in compiled programs.

    Attributes:
        size: bytes of a row, a multiple of the widest number's: of rows that follow each other all arrays lie where
            their types may.
    """

    size: int

    def __init__(self, example: PyTree) -> None:
        """Of rows that hold a pytree like `example`: arrays, or `jax.ShapeDtypeStruct`.

        Raises:
            ValueError: an array of a type that is neither boolean nor a number.
        """
        leaves, self._tree = jax.tree.flatten(jax.tree.map(_shape, example))
        self._shapes: list[jax.ShapeDtypeStruct] = leaves
        # The widest numbers first: each then begins at a multiple of its size.
        self._order = sorted(range(len(leaves)), key=lambda index: -leaves[index].dtype.itemsize)
        self._starts = [0] * len(leaves)
        end = 0
        for index in self._order:
            self._starts[index] = end
            end += leaves[index].size * leaves[index].dtype.itemsize
        widest = max((leaf.dtype.itemsize for leaf in leaves), default=1)
        self._unused = -end % widest
        self.size = end + self._unused

    @classmethod
    def of_batch(cls, batch: PyTree) -> Self:
        """Of the rows of `batch`, which are its arrays' first axis."""
        return cls(jax.tree.map(lambda array: jax.ShapeDtypeStruct(array.shape[1:], array.dtype), batch))

    def views(self, row: Bytes) -> PyTree:
        """The arrays that lie in a row on the host: views of it, to be read or written."""
        return jax.tree.unflatten(
            self._tree,
            [
                np.ndarray(shape.shape, shape.dtype, row.data, start)
                for shape, start in zip(self._shapes, self._starts, strict=True)
            ],
        )

    @typecheck
    def unpack(self, rows: UInt8[Array, "B Y"]) -> PyTree:
        """The arrays that lie in rows, with a first axis for the rows; traceable."""
        leaves = []
        for shape, start in zip(self._shapes, self._starts, strict=True):
            width = shape.dtype.itemsize
            taken = rows[:, start : start + shape.size * width]
            if shape.dtype == jnp.bool_:
                numbers = taken != 0
            elif width == 1:
                numbers = jax.lax.bitcast_convert_type(taken, shape.dtype)
            else:
                numbers = jax.lax.bitcast_convert_type(taken.reshape(len(rows), shape.size, width), shape.dtype)
            leaves.append(numbers.reshape(len(rows), *shape.shape))
        return jax.tree.unflatten(self._tree, leaves)

    @typecheck
    def pack(self, batch: PyTree) -> UInt8[Array, "B Y"]:
        """Inverse of `unpack`; traceable."""
        leaves = jax.tree.leaves(batch)
        parts = []
        for index in self._order:
            leaf = leaves[index].astype(jnp.uint8) if leaves[index].dtype == jnp.bool_ else leaves[index]
            parts.append(jax.lax.bitcast_convert_type(leaf, jnp.uint8).reshape(len(leaf), -1))
        return jnp.pad(jnp.concatenate(parts, axis=1), ((0, 0), (0, self._unused)))


def _shape(array: Any) -> jax.ShapeDtypeStruct:
    if not (array.dtype == jnp.bool_ or jnp.issubdtype(array.dtype, jnp.number)):
        raise ValueError(
            f"an array of type {array.dtype} cannot lie in a row of bytes: give booleans or numbers; of a random key, "
            "its words (jax.random.key_data)"
        )
    return jax.ShapeDtypeStruct(array.shape, array.dtype)

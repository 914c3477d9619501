"""The arrays of a model as few arguments: every argument of a compiled call costs time at every call."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from rsd_jax.array_types import PyTree

LARGEST_PACKED = 1024
"""Numbers of the largest array that is packed.

An argument costs about half a microsecond a call. Slices of small arrays are read where they are needed, but XLA
copies a slice that it hands to a matrix product: with all arrays packed, a call of the shipped policy takes 3 ms
longer on a CPU. Below this size lie five eighths of its arrays, and a three-hundredth of its numbers.
"""


class PackedArrays:
    """A pytree of arrays as a flat tuple, whose small arrays lie in one array for each of their types.

    Attributes:
        arguments: what a compiled call is given, for `unpack` inside.
    """

    arguments: tuple[jax.Array, ...]

    def __init__(self, tree: PyTree) -> None:
        """Copies the small arrays of `tree`, and keeps the others as they are."""
        leaves, self._tree = jax.tree.flatten(tree)
        small: dict[np.dtype, list[int]] = {}
        for index, leaf in enumerate(leaves):
            if leaf.size <= LARGEST_PACKED:
                small.setdefault(np.dtype(leaf.dtype), []).append(index)
        self._packed = list(small.values())
        packed = {index for group in self._packed for index in group}
        self._large = [index for index in range(len(leaves)) if index not in packed]
        self._shapes = [leaf.shape for leaf in leaves]
        self.arguments = (
            *(jnp.asarray(_concatenate([leaves[index] for index in group])) for group in self._packed),
            *(leaves[index] for index in self._large),
        )

    def unpack(self, arguments: Sequence[jax.Array]) -> PyTree:
        """The tree, of its `arguments` as a compiled call was given them; traceable."""
        leaves: dict[int, jax.Array] = dict(zip(self._large, arguments[len(self._packed) :], strict=True))
        for group, together in zip(self._packed, arguments, strict=False):
            ends = np.cumsum([np.prod(self._shapes[index], dtype=int) for index in group])
            for index, part in zip(group, jnp.split(together, ends[:-1]), strict=True):
                leaves[index] = part.reshape(self._shapes[index])
        return jax.tree.unflatten(self._tree, [leaves[index] for index in range(len(leaves))])


def _concatenate(arrays: Sequence[jax.Array]) -> NDArray[np.generic]:
    """On the host, where no program is compiled for it."""
    return np.concatenate([np.asarray(array).reshape(-1) for array in arrays])

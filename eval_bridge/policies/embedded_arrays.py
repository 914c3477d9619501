"""The arrays of a model for a compiled program: the small ones are its constants, the large ones its arguments."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from rsd_jax.array_types import PyTree

LARGEST_EMBEDDED = 2**16
"""Numbers of the largest array that becomes a constant.

Every argument costs time at every call. And what is computed of constants alone, such as the codebooks and the tables
of a head, is computed once, while the program is compiled: a fifth of the operations of two passes of fixed_point, as
a CPU compiles them. Larger arrays are matrices of the backbone that go into products as they are; as constants they
would only be compiled for longer.
"""


class EmbeddedArrays:
    """A pytree of arrays, some of which a program holds, so that few are left to be handed to it.

    Attributes:
        arguments: what a compiled call is given, for `unpack` inside.
    """

    arguments: tuple[jax.Array, ...]

    def __init__(self, tree: PyTree) -> None:
        """Copies the small arrays of `tree` to the host, and keeps the others as they are."""
        leaves, self._tree = jax.tree.flatten(tree)
        self._constants = [np.asarray(leaf) if leaf.size <= LARGEST_EMBEDDED else None for leaf in leaves]
        self.arguments = tuple(
            leaf for leaf, constant in zip(leaves, self._constants, strict=True) if constant is None
        )

    def unpack(self, arguments: Sequence[jax.Array]) -> PyTree:
        """The tree, of its `arguments` as a compiled call was given them; traceable."""
        given = iter(arguments)
        leaves = [next(given) if constant is None else jnp.asarray(constant) for constant in self._constants]
        return jax.tree.unflatten(self._tree, leaves)

"""How one array of ours is laid out in the published tensors: pure, exact both ways.

PyTorch keeps a linear layer's weight as ``[outputs, inputs]``, each axis flat; ours is ``[*inputs, *outputs]``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, ...]


class Layout(Protocol):
    """One array of ours as one or several published tensors."""

    def published_shapes(self, shape: Shape) -> list[Shape]:
        """Shapes of the tensors that make an array of `shape`."""
        ...

    def join(self, tensors: Sequence[NDArray[Any]], shape: Shape) -> NDArray[Any]:
        """The array of `shape` that `tensors` make."""
        ...

    def split(self, array: NDArray[Any]) -> list[NDArray[Any]]:
        """Inverse of `join`."""
        ...


@dataclass(frozen=True)
class Reshaped:
    """The same numbers in the same order, all flat but for leading axes of one.

    Attributes:
        rank: axes of the published tensor.
        last: how many of our last axes it keeps; the others are flat.
    """

    rank: int = 1
    last: int = 0

    def published_shapes(self, shape: Shape) -> list[Shape]:
        """See `Layout`."""
        kept = shape[len(shape) - self.last :] if self.last else (math.prod(shape),)
        return [(1,) * (self.rank - len(kept)) + kept]

    def join(self, tensors: Sequence[NDArray[Any]], shape: Shape) -> NDArray[Any]:
        """See `Layout`."""
        (tensor,) = tensors
        return tensor.reshape(shape)

    def split(self, array: NDArray[Any]) -> list[NDArray[Any]]:
        """See `Layout`."""
        return [array.reshape(self.published_shapes(array.shape)[0])]


@dataclass(frozen=True)
class Linear:
    """A linear layer's weight, or several of the same input side by side.

    Attributes:
        inputs: how many of our first axes are inputs.
        parts: tensors that our array is made of; if more than one, the axis behind the inputs counts them.
    """

    inputs: int = 1
    parts: int = 1

    def published_shapes(self, shape: Shape) -> list[Shape]:
        """See `Layout`."""
        return [(math.prod(shape[self.inputs :]) // self.parts, math.prod(shape[: self.inputs]))] * self.parts

    def join(self, tensors: Sequence[NDArray[Any]], shape: Shape) -> NDArray[Any]:
        """See `Layout`."""
        return np.concatenate([tensor.T for tensor in tensors], axis=1).reshape(shape)

    def split(self, array: NDArray[Any]) -> list[NDArray[Any]]:
        """See `Layout`."""
        flat = array.reshape(math.prod(array.shape[: self.inputs]), -1)
        return [np.ascontiguousarray(part.T) for part in np.split(flat, self.parts, axis=1)]


@dataclass(frozen=True)
class PatchKernel:
    """A convolution's kernel: ``[height, width, inputs, outputs]``, published ``[outputs, inputs, height, width]``."""

    def published_shapes(self, shape: Shape) -> list[Shape]:
        """See `Layout`."""
        height, width, inputs, outputs = shape
        return [(outputs, inputs, height, width)]

    def join(self, tensors: Sequence[NDArray[Any]], shape: Shape) -> NDArray[Any]:
        """See `Layout`."""
        (tensor,) = tensors
        return np.ascontiguousarray(tensor.transpose(2, 3, 1, 0)).reshape(shape)

    def split(self, array: NDArray[Any]) -> list[NDArray[Any]]:
        """See `Layout`."""
        return [np.ascontiguousarray(array.transpose(3, 2, 0, 1))]

"""What a backbone asks of a camera's network: types only."""

from typing import Protocol, runtime_checkable

from flax import linen as nn


@runtime_checkable
class Camera(Protocol):
    """Size of a network that reads one camera: hashable, one strategy of several."""

    def encoder(self, width: int, name: str) -> nn.Module:
        """The network: pixels ``[B, S, S, 3]`` in [-1, 1] to tokens ``[B, N, width]``.

        It is also given what the instruction means, ``[B, width]``, and may look for what is asked for.
        """
        ...

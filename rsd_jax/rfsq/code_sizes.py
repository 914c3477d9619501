"""Sizes of a code of residual tokens: types only."""

from typing import Protocol


class CodeSizes(Protocol):
    """What has the sizes of a code: strategies that fill its table, and configurations of heads that name it."""

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

"""What fills a quantizer's table: types only."""

from typing import NamedTuple, Protocol

from rsd_jax.array_types import Latents, PyTree, Scalar
from rsd_jax.rfsq.code_sizes import CodeSizes
from rsd_jax.rfsq.residual_quantizer import QuantizerTable


class QuantizerVariables(NamedTuple):
    """What a strategy keeps.

    Attributes:
        params: trained by gradient; ``{}`` if nothing is.
        state: updated by the forward pass; ``{}`` if nothing is.
    """

    params: PyTree
    state: PyTree


class QuantizerStrategy(CodeSizes, Protocol):
    """Fills the table of a residual quantizer. Implementations are frozen dataclasses, so hashable and static."""

    def init(self) -> QuantizerVariables:
        """Variables before the first batch; parameters carry logical axis names."""
        ...

    def table(self, variables: QuantizerVariables) -> QuantizerTable:
        """The table; a differentiable function of ``variables.params``."""
        ...

    def update(self, variables: QuantizerVariables, latents: Latents) -> PyTree:
        """The state after a batch of `latents`; no gradient flows."""
        ...

    def scale_loss(self, table: QuantizerTable, latents: Latents) -> Scalar:
        """What the table's own parameters minimise beside the reconstruction; 0 if there are none."""
        ...

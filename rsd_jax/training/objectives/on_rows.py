"""An objective that takes what a row source feeds instead of a batch."""

from dataclasses import dataclass
from typing import NamedTuple

import jax

from rsd_jax.array_types import PyTree
from rsd_jax.training.objectives.interface import LossOutput, Objective, Variables
from rsd_jax.training.row_sources import RowSource


class Constants(NamedTuple):
    """Arguments of every step: rows that stay on the devices, and the stage's `frozen` arrays."""

    resident: PyTree
    frozen: PyTree


@dataclass(frozen=True)
class OnRows:
    """`objective` on the batches that `source` reads inside of the compiled step; its `frozen` are `Constants`."""

    objective: Objective
    source: RowSource

    def init(self, key: jax.Array) -> Variables:
        """Draws the initial variables."""
        return self.objective.init(key)

    def loss(self, variables: Variables, frozen: Constants, batch: PyTree, key: jax.Array) -> LossOutput:
        """Loss of the batch that what was fed, `batch`, stands for."""
        return self.objective.loss(variables, frozen.frozen, self.source.read(frozen.resident, batch), key)

"""The nested code for copies of action dimensions, their cells shifted against each other.

r copies of a number, each refined by the same whole factors f, with their first layers shifted by 1/r of a cell: where
r and f have no common divisor, multiplying by f permutes the shifts, so that the copies stay evenly staggered at every
depth, and their mean is a uniform quantizer r times finer than each of them (`autoencoders.repetition`). The same
precision then needs r times fewer cells a latent, and a digit flips r times less often.

Two things make it fit actions. Zero, where robots rest, and -1 and 1, where commands saturate, lie in the middle of a
cell of the combined quantizer: noise there flips no digit, and all three decode exactly.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsd_jax.rfsq.residual_quantizer import QuantizerTable
from rsd_jax.rfsq.scalar_quantizer import BINARY
from rsd_jax.rfsq.strategies.fixed import FixedTable, evenly_spread, nested_table


@dataclass(frozen=True)
class Staggered(FixedTable):
    """See the module; `latent_dim` is the sum of `copies`.

    Attributes:
        copies: r of every action dimension, gripper last; the gripper is one binary digit.
        splits: refinements of every dimension behind its first layer.
        factors: into how many parts each of them divides a cell: 2 or 3, sharing no divisor with r.
    """

    copies: tuple[int, ...] = (3, 3, 3, 2, 2, 2, 1)
    splits: tuple[int, ...] = (3, 3, 3, 2, 2, 2, 0)
    factors: tuple[int, ...] = (2, 2, 2, 3, 3, 3, 2)

    def __post_init__(self) -> None:
        """Checks that the copies can stay staggered, and that every refinement has a layer."""
        if not len(self.copies) == len(self.splits) == len(self.factors) > 0:
            raise ValueError(
                f"copies {self.copies}, splits {self.splits} and factors {self.factors} must have one entry for each "
                "action dimension"
            )
        if sum(self.copies) != self.latent_dim:
            raise ValueError(
                f"copies {self.copies} make {sum(self.copies)} latents, not latent_dim = {self.latent_dim}"
            )
        for dimension, (copies, splits, factor) in enumerate(zip(self.copies, self.splits, self.factors, strict=True)):
            if not 0 <= splits < self.num_layers:
                raise ValueError(
                    f"splits[{dimension}] is {splits}; it must be between 0 and num_layers - 1 = {self.num_layers - 1}"
                )
            if factor not in (2, 3) or np.gcd(factor, copies) != 1:
                raise ValueError(
                    f"factors[{dimension}] is {factor} with {copies} copies; it must be 2 or 3 and share no divisor "
                    "with the copies, or they would lie on one grid from some layer on"
                )

    def fixed_table(self) -> QuantizerTable:
        """Dimension by dimension; refinements of different dimensions take turns over the layers."""
        modes, cells, offsets = [], [], []
        for dimension, (copies, splits, factor) in enumerate(zip(self.copies, self.splits, self.factors, strict=True)):
            is_gripper = dimension == len(self.copies) - 1
            phase = dimension * _GOLDEN % 1
            split = evenly_spread(splits, self.num_layers - 1, phase)
            column = np.concatenate([[BINARY if is_gripper else self.num_levels], np.where(split, factor, 1)])
            cell, shifts = (2.0, np.zeros(1)) if is_gripper else stagger(copies, factor**splits, self.num_levels)
            modes += [column] * copies
            cells += [cell] * copies
            offsets += [*(cell * shifts)]
        return nested_table(np.stack(modes, axis=1), np.asarray(cells), np.asarray(offsets), self.num_levels)


_GOLDEN = 0.6180339887498949
"""Multiples of it spread over [0, 1) evenly however many there are: dimensions are refined in turn."""


def stagger(copies: int, parts: int, num_levels: int) -> tuple[float, NDArray[np.float64]]:
    """Width of the first layer's cells, and the copies' offsets in cells.

    The combined grid has `copies` x `parts` cells to a first cell, its boundaries anchored at half a first cell from
    an offset. The offsets are the evenly spaced ones nearest to symmetric that put 0 in the middle of a combined cell.
    The width is the smallest with which every copy tiles [-1, 1] and 1 is a whole number of combined cells.
    """
    fine = 1 / (copies * parts)
    lowest = -(copies - 1) / (2 * copies)
    anchor = fine / 2 - 0.5
    lowest = anchor + fine * np.round((lowest - anchor) / fine)
    offsets = lowest + np.arange(copies) / copies
    cells_to_one = np.floor((num_levels / 2 - np.abs(offsets).max()) / fine + 1e-9)
    return float(1 / (cells_to_one * fine)), offsets

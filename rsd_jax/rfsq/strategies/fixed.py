"""Tables that follow from a rule alone: naive, geometric, nested."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray

from rsd_jax.array_types import Latents, PyTree, Scalar
from rsd_jax.rfsq.residual_quantizer import QuantizerTable, make_table
from rsd_jax.rfsq.scalar_quantizer import BINARY
from rsd_jax.rfsq.strategies.interface import QuantizerVariables


@dataclass(frozen=True)
class FixedTable:
    """A strategy with nothing to learn; subclasses say what the table is.

    Attributes:
        num_layers: L. latent_dim: D. num_levels: V, odd.
    """

    num_layers: int = 8
    latent_dim: int = 16
    num_levels: int = 7

    def fixed_table(self) -> QuantizerTable:
        """The table."""
        raise NotImplementedError

    def init(self) -> QuantizerVariables:
        """Nothing."""
        return QuantizerVariables({}, {})

    def table(self, variables: QuantizerVariables) -> QuantizerTable:
        """The fixed table."""
        del variables
        return self.fixed_table()

    def update(self, variables: QuantizerVariables, latents: Latents) -> PyTree:
        """Nothing changes."""
        del latents
        return variables.state

    def scale_loss(self, table: QuantizerTable, latents: Latents) -> Scalar:
        """0."""
        del table, latents
        return jnp.zeros((), jnp.float32)


@dataclass(frozen=True)
class Naive(FixedTable):
    """The same V levels over [-1, 1] in every layer: what the first leaves falls into the middle cell of the next."""

    def fixed_table(self) -> QuantizerTable:
        """Step 2 / (V - 1) throughout."""
        shape = (self.num_layers, self.latent_dim)
        return make_table(jnp.zeros(shape), jnp.full(shape, 2 / (self.num_levels - 1)), self.num_levels)


@dataclass(frozen=True)
class Geometric(FixedTable):
    """Each layer V times finer: a latent's digits in base V. ResidualFSQ's code (vector-quantize-pytorch, lucidrains).

    Deep layers are finer than any head can predict, and the last ones finer than float32 resolves.
    """

    def fixed_table(self) -> QuantizerTable:
        """Step (2 / V) V^-k: the cells of layer 0 tile [-1, 1], those of layer k + 1 tile a cell of layer k."""
        steps = 2.0 / self.num_levels ** np.arange(1.0, self.num_layers + 1)
        table = jnp.broadcast_to(jnp.asarray(steps, jnp.float32)[:, None], (self.num_layers, self.latent_dim))
        return make_table(jnp.zeros_like(table), table, self.num_levels)


@dataclass(frozen=True)
class Nested(FixedTable):
    """V cells, then `splits` exact halvings of each latent's cell, spread evenly over the other layers, all folded.

    Refinement by whole numbers wastes no digit: the cells of all layers together are one uniform grid of ``V 2^s``
    cells, as fine as the data deserve and no finer, and crossing any of its boundaries changes one digit.

    Attributes:
        splits: s, at most L - 1.
    """

    splits: int = 5

    def __post_init__(self) -> None:
        """Checks the number of halvings."""
        if not 0 <= self.splits < self.num_layers:
            raise ValueError(
                f"splits is {self.splits}; it must be between 0 and num_layers - 1 = {self.num_layers - 1}"
            )

    def fixed_table(self) -> QuantizerTable:
        """Latents of even and of odd number take turns."""
        modes = np.full((self.num_layers, self.latent_dim), 1)
        modes[0] = self.num_levels
        for latent in range(self.latent_dim):
            modes[1:, latent] = np.where(evenly_spread(self.splits, self.num_layers - 1, latent % 2 / 2), BINARY, 1)
        return nested_table(
            modes, np.full(self.latent_dim, 2 / self.num_levels), np.zeros(self.latent_dim), self.num_levels
        )


def evenly_spread(count: int, places: int, phase: float) -> NDArray[np.bool_]:
    """Which of `places` hold one of `count` things spread evenly; `phase` in [0, 1) shifts them."""
    reached = np.floor(np.arange(places + 1) * count / places + phase)
    return np.diff(reached) > 0


def nested_table(
    modes: Int[np.ndarray, "L D"], first_cell: NDArray[np.float64], first_offset: NDArray[np.float64], num_levels: int
) -> QuantizerTable:
    """A folded table in which every layer divides the cell that the layer before has chosen.

    Args:
        modes: into how many parts each layer divides; 1 leaves the cell as it is. The first row tiles.
        first_cell: width of the first layer's cells, ``[D]`` in latent units; a binary first digit has two of them.
        first_offset: where the middle of the first layer lies, ``[D]``.
        num_levels: V.
    """
    width = first_cell * modes[0]
    steps, offsets = [], np.zeros(modes.shape)
    offsets[0] = first_offset
    for mode in modes:
        steps.append(np.where(mode == BINARY, width / 4, width / mode))
        width = width / mode
    return make_table(
        jnp.asarray(offsets, jnp.float32),
        jnp.asarray(np.stack(steps), jnp.float32),
        num_levels,
        mode=jnp.asarray(modes, jnp.int32),
        fold=jnp.ones(modes.shape, bool),
    )

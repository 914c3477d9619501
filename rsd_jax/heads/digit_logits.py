"""From an estimate of a latent to logits over its digits.

Softmax heads that name each digit separately hardly beat the majority class on fine layers: they would have to learn a
function that oscillates once per cell of the code. A head that estimates the latent and reads each digit's logits off
the distance to the levels has the code built in, and only has to learn how sure it is.
"""

import functools

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Int

from rsd_jax.array_types import Logits, PyTree
from rsd_jax.heads.layer_choice import LayerChoice
from rsd_jax.rfsq import QuantizerTable
from rsd_jax.rfsq.scalar_quantizer import BINARY, reach_of

_IMPOSSIBLE = -1e9
"""Logit of a level that a digit does not have."""

_INITIAL_SPREAD = 0.05
"""Error of the estimate that a head assumes before it has learned anything, in latent units."""


class DigitLogits(nn.Module):
    """Log density of an estimate around every level, plus a prior over the levels.

    One spread per latent, in latent units, serves all layers: where a layer's step is much finer than the spread the
    density is flat and the prior decides. A factor per digit corrects that where it is not quite so.

    Attributes:
        latent_dim: D. num_layers: L. num_levels: V.
    """

    latent_dim: int
    num_layers: int
    num_levels: int

    def setup(self) -> None:
        """Creates the spread, its factors and the prior."""
        zeros, digits = nn.initializers.zeros_init(), (self.latent_dim, self.num_layers)
        spread_init = nn.initializers.constant(jnp.log(_INITIAL_SPREAD))
        self.log_spread = self.param("log_spread", nn.with_logical_partitioning(spread_init, (None,)), digits[:1])
        self.factor = self.param("log_factor", nn.with_logical_partitioning(zeros, (None, None)), digits)
        prior_shape = (*digits, self.num_levels)
        self.prior = self.param("prior", nn.with_logical_partitioning(zeros, (None, None, None)), prior_shape)

    def __call__(self, coordinates: Float[Array, "B C D N"], layers: LayerChoice, table: QuantizerTable) -> Logits:
        """Logits ``[B, C, D, N, V]``.

        Args:
            coordinates: where the estimate lies in the grid of each layer, in steps (`rfsq.grid_coordinates`).
            layers: which layers these are.
            table: the code's constants.
        """
        sharpness = jnp.exp(layers.of_digits(self._log_sharpness(table)))[..., None]
        distance = _within(coordinates, layers.of_digits(table.mode.T))[..., None] - _digits(table)
        density = layers.of_digits(self.prior) - sharpness * distance**2 / 2
        return jnp.where(layers.of_digits(_exists(table)) > 0, density, _IMPOSSIBLE)

    def thresholds(self, table: QuantizerTable) -> Float[Array, "D L V-1"]:
        """Coordinates beyond which level 1, 2, .. or a higher one is the most likely of a digit.

        Without what all levels have in common, their logits are lines over the coordinate that rise with the level.
        So the most likely level never falls, and reaches k where the first line of k or above passes all below.
        """
        sharpness = jnp.exp(self._log_sharpness(table))
        prior = jnp.where(_exists(table) > 0, self.prior, _IMPOSSIBLE)
        digits, levels = _digits(table), range(table.num_levels)

        def passes(higher: int, lower: int) -> Float[Array, "D L"]:
            middle = (digits[higher] + digits[lower]) / 2
            return middle + (prior[..., lower] - prior[..., higher]) / (sharpness * (higher - lower))

        def reaches(level: int) -> Float[Array, "D L"]:
            above = (functools.reduce(jnp.maximum, (passes(v, u) for u in levels[:level])) for v in levels[level:])
            return functools.reduce(jnp.minimum, above)

        return jnp.stack([reaches(level) for level in levels[1:]], axis=-1)

    def _log_sharpness(self, table: QuantizerTable) -> Float[Array, "D L"]:
        return 2 * (jnp.log(table.step.T) - self.log_spread[:, None]) + self.factor


def with_spread(params: PyTree, spread: float) -> PyTree:
    """Parameters of `DigitLogits` that assume another error of the estimate, in latent units."""
    assumed = jax.tree.map(lambda log_spread: jnp.full_like(log_spread, jnp.log(spread)), params["log_spread"])
    return {**params, "log_spread": assumed}


def most_likely_by(
    thresholds: Float[Array, "D V-1"], coordinates: Float[Array, "B C D"], mode: Int[Array, "D"]
) -> Int[Array, "B C D"]:
    """The most likely levels of one layer's digits, by `DigitLogits.thresholds`: near-ties may fall otherwise.

    A comparison for each level in place of its logit: a compiler then fuses the layers of a column into one kernel.
    """
    bounded = _within(coordinates, mode)
    reached = (bounded > thresholds[:, number] for number in range(thresholds.shape[-1]))
    return sum((each.astype(jnp.int32) for each in reached), start=jnp.zeros(coordinates.shape, jnp.int32))


def _digits(table: QuantizerTable) -> Float[Array, "V"]:
    """What each level's digit is."""
    return jnp.arange(-table.reach, table.reach + 1, dtype=jnp.float32)


def _exists(table: QuantizerTable) -> Float[Array, "D L V"]:
    """1 for levels that a digit has, 0 for the others: numbers, which are picked by products."""
    return table.levels_exist.swapaxes(0, 1).astype(jnp.float32)


def _within(coordinates: Float[Array, "..."], mode: Int[Array, "..."]) -> Float[Array, "..."]:
    """Coordinates, those beyond the outermost cells' ends as at these ends: all of them lie in the same cell."""
    outermost = jnp.where(mode == BINARY, 2.0, reach_of(mode) + 0.5)
    return jnp.clip(coordinates, -outermost, outermost)

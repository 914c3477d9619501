"""A draft whose acceptance is replayed: digits are accepted at random, as often as told, whatever the model says."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from rsd_jax.decoding import LosslessGreedy
from rsd_jax.decoding.rules import Verification


@dataclass(frozen=True, eq=False)
class ReplayedAcceptance(LosslessGreedy):
    """In place of agreement with random weights, which means nothing.

    Attributes:
        chance: that a drafted digit is right, given that those before it are: the same for all, and independent, which
            is the worst case for a slowest column.
        informative: digits that can take more than one level, ``[D, L]``; the others are always right.
    """

    chance: jax.Array
    informative: jax.Array

    draws: ClassVar[bool] = True

    def accept(self, memory: Any, round_: Verification) -> tuple[jax.Array, Any]:
        """By the keys of the round."""
        drawn = jax.vmap(lambda key: jax.random.uniform(key, round_.proposal.shape[1:]))(round_.keys)
        return (drawn < self.chance) | ~self.informative, memory


def blank_draft(features: Any, tokens: jax.Array, position: jax.Array | int) -> jax.Array:
    """Level 0 everywhere, at no cost: which digits are drafted changes no time."""
    return jnp.zeros((*tokens.shape, 1))


def break_even(acceptances: list[float], speed_ups: list[float]) -> float | None:
    """The acceptance from which on the speed-up is 1 or more, interpolated; None where it is not at the last.

    Args:
        acceptances: ascending.
        speed_ups: at each of them.
    """
    below = np.flatnonzero(np.asarray(speed_ups) < 1)
    if not below.size:
        return acceptances[0]
    last = int(below[-1])
    if last == len(speed_ups) - 1:
        return None
    return float(np.interp(1.0, speed_ups[last : last + 2], acceptances[last : last + 2]))

"""The rule of Spec-VLA, for comparison: drafted digits near the main head's stay, whatever that does to actions."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Bool

from rsd_jax.array_types import PyTree
from rsd_jax.decoding.rules.interface import Verification
from rsd_jax.decoding.rules.most_likely_digits import MostLikelyDigits
from rsd_jax.most_likely import most_likely


@dataclass(frozen=True)
class TokenDistance(MostLikelyDigits):
    """A drafted digit stays if it lies at most `largest` levels from the main head's most likely one.

    The relaxed acceptance of Spec-VLA (Wang et al. 2025, arXiv 2507.22424), which keeps drafted tokens by the distance
    of their bins. There a token is an action dimension, and a bin away is a small motion; in a residual code a level
    of a coarse layer is a large one, and what follows it changes altogether, so that no bound on the action follows.

    Attributes:
        largest: distance in levels, 0 or more; 0 is `LosslessGreedy`.
    """

    largest: int = 1

    draws: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Checks the distance."""
        if self.largest < 0:
            raise ValueError(f"largest is {self.largest}; it must be 0 or more: levels between two digits")

    def accept(self, memory: PyTree, round_: Verification) -> tuple[Bool[Array, "B C D L"], PyTree]:
        """Digits near those that the main head would choose."""
        return jnp.abs(round_.proposal - most_likely(round_.main_logits)) <= self.largest, memory

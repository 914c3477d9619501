"""The rule that keeps what the main head would have chosen itself."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Array, Bool

from rsd_jax.array_types import PyTree
from rsd_jax.decoding.rules.interface import Verification
from rsd_jax.decoding.rules.most_likely_digits import MostLikelyDigits
from rsd_jax.most_likely import most_likely


@dataclass(frozen=True)
class LosslessGreedy(MostLikelyDigits):
    """A drafted digit stays if it is the main head's most likely one (an `AcceptanceRule`).

    The digit at the first mismatch is the main head's, already computed and right, because its prefix was accepted.
    So the tokens are those of `autoregressive`, whatever was drafted (Leviathan et al. 2023, "Fast Inference from
    Transformers via Speculative Decoding", at temperature 0).
    """

    draws: ClassVar[bool] = False

    def accept(self, memory: PyTree, round_: Verification) -> tuple[Bool[Array, "B C D L"], PyTree]:
        """Digits that the main head would choose."""
        return round_.proposal == most_likely(round_.main_logits), memory

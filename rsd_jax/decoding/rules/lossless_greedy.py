"""The rule that keeps what the main head would have chosen itself."""

from dataclasses import dataclass
from typing import ClassVar

import jax
from jaxtyping import Array, Bool, Int

from rsd_jax.array_types import Logits, Position, PyTree, Tokens
from rsd_jax.decoding.interface import CodeShape
from rsd_jax.decoding.rules.interface import Verification, most_likely, whole_code
from rsd_jax.rfsq.certificate import Certificate


@dataclass(frozen=True)
class LosslessGreedy:
    """A drafted digit stays if it is the main head's most likely one (an `AcceptanceRule`).

    The digit at the first mismatch is the main head's, already computed and right, because its prefix was accepted.
    So the tokens are those of `autoregressive`, whatever was drafted (Leviathan et al. 2023, "Fast Inference from
    Transformers via Speculative Decoding", at temperature 0).
    """

    draws: ClassVar[bool] = False

    def start(
        self, shape: CodeShape, batch_size: int, certificate: Certificate | None
    ) -> tuple[PyTree, Int[Array, " D"]]:
        """Nothing to remember; all layers."""
        return (), whole_code(shape)

    def propose(self, draft_logits: Logits, keys: jax.Array | None) -> Int[Array, "B C D K"]:
        """The draft's most likely digits."""
        return most_likely(draft_logits)

    def accept(self, memory: PyTree, round_: Verification) -> tuple[Bool[Array, "B C D L"], PyTree]:
        """Digits that the main head would choose."""
        return round_.proposal == most_likely(round_.main_logits), memory

    def replace(self, round_: Verification, stop: Position) -> Tokens:
        """The main head's choices."""
        return most_likely(round_.main_logits)

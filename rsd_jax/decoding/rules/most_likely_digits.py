"""What rules have in common under which draft and main head both name their most likely digits."""

import jax
from jaxtyping import Array, Int

from rsd_jax.array_types import Logits, Position, PyTree, Tokens
from rsd_jax.decoding.interface import CodeShape
from rsd_jax.decoding.rules.interface import Verification, whole_code
from rsd_jax.most_likely import most_likely
from rsd_jax.rfsq.certificate import Certificate


class MostLikelyDigits:
    """Drafts by argmax, and puts the main head's argmax where a draft ends; each rule says what it accepts."""

    def start(
        self, shape: CodeShape, batch_size: int, certificate: Certificate | None
    ) -> tuple[PyTree, Int[Array, " D"]]:
        """Nothing to remember; all layers."""
        return (), whole_code(shape)

    def propose(self, draft_logits: Logits, keys: jax.Array | None) -> Tokens:
        """The draft's most likely digits."""
        return most_likely(draft_logits)

    def replace(self, round_: Verification, stop: Position) -> Tokens:
        """The main head's choices."""
        return most_likely(round_.main_logits)

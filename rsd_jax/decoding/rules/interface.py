"""What a rule that keeps drafted tokens is asked, and what it is shown."""

from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

import jax
from jaxtyping import Array, Bool, Int, Key

from rsd_jax.array_types import Logits, Position, PyTree, Tokens
from rsd_jax.decoding.interface import CodeShape
from rsd_jax.rfsq.certificate import Certificate


class Verification(NamedTuple):
    """One round: what was drafted, and what the main head says of it.

    Attributes:
        proposal: decoded digits before each column's position, drafted ones from there on, and behind them digits
            that are undefined.
        is_drafted: which digits of `proposal` are drafted, ``bool [B, C, D, L]``.
        draft_logits: of every digit, ``[B, C, D, L, V]``; of no meaning where nothing is drafted.
        main_logits: of every digit given the coarser ones of `proposal`, ``[B, C, D, L, V]``; of no meaning before the
            position, and more than K behind it.
        keys: a random key a row, of this round alone; None for rules that draw nothing.
    """

    proposal: Tokens
    is_drafted: Bool[Array, "B C D L"]
    draft_logits: Logits
    main_logits: Logits
    keys: Key[Array, " B"] | None


@runtime_checkable
class AcceptanceRule(Protocol):
    """Says which drafted digits stay, and what stands where the first one does not.

    A column keeps its drafted digits up to the first that is not accepted. There the rule's own digit stands, and the
    column's round is over; where all are accepted, the layer behind them gets the rule's own digit.

    Attributes:
        draws: whether it draws at random, and so needs keys.
    """

    draws: ClassVar[bool]

    def start(
        self, shape: CodeShape, batch_size: int, certificate: Certificate | None
    ) -> tuple[PyTree, Int[Array, " D"]]:
        """What it remembers between rounds, and how many layers of each latent are decoded: L, or fewer.

        Raises:
            ValueError: it needs a certificate, or its settings do not fit the one given.
        """
        ...

    def propose(self, draft_logits: Logits, keys: Key[Array, " B"] | None) -> Tokens:
        """The digits that are drafted, and others that mean nothing, in every layer."""
        ...

    def accept(self, memory: PyTree, round_: Verification) -> tuple[Bool[Array, "B C D L"], PyTree]:
        """Which drafted digits are accepted, each as if those before it were; and what is remembered from now on."""
        ...

    def replace(self, round_: Verification, stop: Position) -> Int[Array, "B C D N"]:
        """The digit at layer `stop` of every column; of every layer (N = L), or of that one alone (N = 1)."""
        ...


def whole_code(shape: CodeShape) -> Int[Array, " D"]:
    """All layers of every latent: what most rules decode."""
    return jax.numpy.full(shape.latent_dim, shape.num_layers, jax.numpy.int32)

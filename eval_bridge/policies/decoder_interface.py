"""What a decoder is, and what it gives: types only."""

from typing import ClassVar, NamedTuple, Protocol

import jax
from jaxtyping import Array, Bool, Float, Int

from eval_bridge.policies.decoder_models import Models
from rsd_jax.array_types import Actions, PyTree
from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.decoding import AcceptanceCounts, GivenTokens


class Shadow(NamedTuple):
    """What a cascade knew at a call where the main model ran whether it was needed or not, to judge rules afterwards.

    Attributes:
        drafted: the draft policy's tokens, given the look of 1 .. H calls ago; H is 1 for one without a memory.
        foreseen: the main model's, of the chunk to act on and of those behind it.
        distance: that the draft policy expected, likewise, in half-ranges.
    """

    drafted: Int[Array, "B H C D L"]
    foreseen: Int[Array, "B N C D L"]
    distance: Float[Array, "B H"]


class DecodedChunks(NamedTuple):
    """Chunks of a batch: actions ``[B, C, A]`` in the environment's units, and what decoding took.

    Attributes:
        actions: to execute.
        rounds: passes of the main head.
        acceptance: of the draft model's tokens.
        looked: whether the main backbone was needed; always, but for a cascade.
        shadow: of a cascade that was asked for it.
    """

    actions: Actions
    rounds: Int[Array, "B"]
    acceptance: AcceptanceCounts
    looked: Bool[Array, "B"]
    shadow: Shadow | None = None


class Decoder(Protocol):
    """A way from observations to actions: a frozen dataclass, whose fields are its settings.

    Attributes:
        name: in configurations and records.
        optional_stages: that are used where they are there, and that no action depends on.
    """

    name: ClassVar[str]
    optional_stages: ClassVar[tuple[str, ...]]

    @property
    def stages(self) -> tuple[str, ...]:
        """Training stages that it needs."""
        ...

    def initial_state(self, models: Models) -> PyTree:
        """What one episode begins with: arrays on the host, without an axis for rows."""
        ...

    def decode(
        self,
        models: Models,
        inputs: PolicyInputs,
        given: GivenTokens | None,
        state: PyTree,
        keys: jax.Array,
        asked: Bool[Array, "B"],
    ) -> tuple[DecodedChunks, PyTree]:
        """Decides on a chunk for each row; pure and traceable.

        Args:
            models: of the stages that it names.
            inputs: a row an observation.
            given: tokens known in advance; None for none.
            state: of each row's episode, with a leading axis for the rows.
            keys: a random key a row, of this call alone.
            asked: which rows an episode waits for. Nobody reads what comes out of the others, so what the rows share
                (whether a part is computed at all) must not depend on them.

        Returns:
            The chunks, and the state for each row's next call.

        Raises:
            ValueError: tokens are given to a decoder without tokens.
        """
        ...

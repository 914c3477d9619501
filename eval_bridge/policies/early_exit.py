"""The early exit, the cascade's baseline: its draft reads the main backbone's first blocks, and does not see itself.

The first blocks run at every call, and a look goes on from what they have computed. So they bound what a skipped look
saves: of the shipped policy's backbone on 2 CPU cores, two of six blocks and what precedes them take 0.62 of the time.
"""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Array, Float

from eval_bridge.policies.cascade_decoder import CascadeDecoder, CascadeState
from eval_bridge.policies.decoder_models import DraftProposals, Models
from rsd_jax.array_types import PyTree
from rsd_jax.backbones.interface import PolicyInputs

EARLY_EXIT = "early_exit"
"""Name of the decoder."""


@dataclass(frozen=True)
class EarlyExit(CascadeDecoder):
    """A `CascadeDecoder` whose draft is of a head on the main backbone's first blocks (a `Decoder`).

    Attributes:
        rule: "agreement".

    Raises:
        ValueError: on construction, if the rule is another or a number is out of range.
    """

    name: ClassVar[str] = EARLY_EXIT
    stages: ClassVar[tuple[str, ...]] = ("rfsq", "policy", "main_head", "early_exit")
    optional_stages: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        if self.rule != "agreement":
            raise ValueError(
                f"rule={self.rule!r} must be agreement: an early exit has no head that tells how far its draft lies; "
                "the decoder cascade has one."
            )
        super().__post_init__()

    def begin(self, models: Models, inputs: PolicyInputs) -> PyTree:
        """The first blocks' tokens."""
        return models.early_tokens(inputs)

    def propose(self, models: Models, begun: PyTree, state: CascadeState) -> DraftProposals:
        """What the head on them proposes, which remembers no look."""
        return DraftProposals(*(array[:, None] for array in models.early_exit(begun)))

    def foreseen_features(self, models: Models, begun: PyTree) -> Float[Array, "B N C F"]:
        """The blocks behind the first ones."""
        return models.foreseen_features_from(begun)

"""The cascade: a draft policy that sees for itself acts where a rule lets it, and the main policy looks elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from eval_bridge.policies.cascade_decoder import CascadeDecoder, CascadeState
from eval_bridge.policies.decoder_models import DraftProposals, Models
from rsd_jax.backbones.interface import Memory, PolicyInputs
from rsd_jax.decoding.skip_rules import Agreement, AgreementAndConfidence, Confidence, SkipRule

CASCADE = "cascade"
"""Name of the decoder."""

_MAKE_RULE: dict[str, Callable[[Any, Any], SkipRule]] = {
    "agreement": lambda tolerance, threshold: Agreement(tolerance),
    "confidence": lambda tolerance, threshold: Confidence(threshold),
    "both": AgreementAndConfidence,
}

RULES = tuple(_MAKE_RULE)
"""Names of rules in settings."""


def make_skip_rule(name: str, tolerance: float | jax.Array, threshold: float | jax.Array) -> SkipRule:
    """The rule called `name`, one of `RULES`, with what it has of `tolerance` and `threshold`: numbers, or traced."""
    return _MAKE_RULE[name](tolerance, threshold)


@dataclass(frozen=True)
class Cascade(CascadeDecoder):
    """A `CascadeDecoder` whose draft is of a policy with a small backbone of its own (a `Decoder`).

    Attributes:
        rule: one of `RULES`.
        threshold: of confidence, in half-ranges (`rsd_jax.decoding.skip_rules`).

    Raises:
        ValueError: on construction, if there is no such rule or a number is out of range.
    """

    name: ClassVar[str] = CASCADE
    # What a rule does not ask about is told nevertheless, where it is known, when the cascade is watched.
    optional_stages: ClassVar[tuple[str, ...]] = ("confidence",)

    threshold: float = 0.1

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ValueError(f"rule={self.rule!r} must be one of {', '.join(RULES)}.")
        super().__post_init__()

    @property
    def stages(self) -> tuple[str, ...]:
        """Training stages that it needs; agreement does without the draft policy's confidence."""
        always = ("rfsq", "policy", "main_head", "draft_policy")
        return always if self.rule == "agreement" else (*always, "confidence")

    @property
    def skip_rule(self) -> SkipRule:
        """The rule with its settings."""
        return make_skip_rule(self.rule, self.tolerance, self.threshold)

    def propose(self, models: Models, begun: PolicyInputs, state: CascadeState) -> DraftProposals:
        """What the draft policy proposes: given the last look, or of a watched cascade given each of the last ones."""
        rows, count = state.remembered.shape[:2]
        if not count:
            return DraftProposals(*(array[:, None] for array in models.draft_policy(begun)))
        age = state.skip.calls_since_look[:, None] if count == 1 else jnp.tile(1 + jnp.arange(count), (rows, 1))
        memory = Memory(state.remembered.reshape(rows * count, *state.remembered.shape[2:]), age.reshape(-1))
        repeated = jax.tree.map(lambda array: jnp.repeat(array, count, axis=0), begun)
        proposed = models.draft_policy(repeated._replace(memory=memory))
        return DraftProposals(*(array.reshape(rows, count, *array.shape[1:]) for array in proposed))

    def foreseen_features(self, models: Models, begun: PolicyInputs) -> Float[Array, "B N C F"]:
        """The whole main backbone."""
        return models.foreseen_features(begun)

    def remembered_calls(self, models: Models) -> int | None:
        """As the draft policy was trained."""
        return models.draft_policy_remembers

"""Rules that let a draft act in place of the main model, which is not asked: pure functions of what is at hand then.

The main model's last look predicts N chunks, of which it acts on the first. At a later call a draft that sees the
present frame proposes a chunk of its own; whether to act on it is decided by what the draft says of itself, and by
what the main model foresaw for that time. A stale planner and a fresh observer that agree certify each other.

The gripper never changes its state on a draft alone: only where the main model foresaw the same.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from rsd_jax.actions.normalizer import GRIPPER
from rsd_jax.array_types import Actions, typecheck

GRIPPER_DISTANCE = 2.0
"""Distance of chunks whose grippers differ: its command is -1 or +1."""


class SkipEvidence(NamedTuple):
    """What a rule may look at: one draft a row, actions in half-ranges, the gripper as a sign.

    Attributes:
        drafted: the draft decoded from its coarse layers alone, its gripper from all.
        foreseen: what the main model foresaw for this chunk when it looked last, decoded likewise; undefined where
            its foresight is used up.
        is_foreseen: whether it is not.
        distance: how far the draft expects the main model's chunk to lie: the largest difference of any motion
            dimension and step, in half-ranges.
        gripper: the last command that was executed.
    """

    drafted: Actions
    foreseen: Actions
    is_foreseen: Bool[Array, "B"]
    distance: Float[Array, "B"]
    gripper: Float[Array, "B"]


@runtime_checkable
class SkipRule(Protocol):
    """Whether a draft may act. Implementations are frozen dataclasses whose fields are their settings."""

    def accepts(self, evidence: SkipEvidence) -> Bool[Array, "B"]:
        """Which rows' drafts may act."""
        ...


@dataclass(frozen=True)
class Agreement:
    """The draft agrees with what the main model foresaw.

    Attributes:
        tolerance: largest difference of any motion dimension and step, in half-ranges; the gripper must be equal.
    """

    tolerance: float = 0.2

    def accepts(self, evidence: SkipEvidence) -> Bool[Array, "B"]:
        """See `SkipRule`."""
        gap = foresight_gap(evidence.drafted, evidence.foreseen)
        return evidence.is_foreseen & (gap <= self.tolerance)


@dataclass(frozen=True)
class Confidence:
    """The draft expects to lie near the main model's chunk, and leaves the gripper as it is.

    Attributes:
        threshold: largest expected distance, in half-ranges.
    """

    threshold: float = 0.1

    def accepts(self, evidence: SkipEvidence) -> Bool[Array, "B"]:
        """See `SkipRule`."""
        keeps_gripper = jnp.all(evidence.drafted[..., GRIPPER] == evidence.gripper[:, None], axis=1)
        return (evidence.distance <= self.threshold) & keeps_gripper


@dataclass(frozen=True)
class AgreementAndConfidence:
    """The draft agrees with what the main model foresaw, and expects to lie near it.

    Attributes:
        tolerance: see `Agreement`. threshold: see `Confidence`, whose condition on the gripper the agreement replaces.
    """

    tolerance: float = 0.2
    threshold: float = 0.1

    def accepts(self, evidence: SkipEvidence) -> Bool[Array, "B"]:
        """See `SkipRule`."""
        return Agreement(self.tolerance).accepts(evidence) & (evidence.distance <= self.threshold)


class SkipState(NamedTuple):
    """What an episode carries between calls, beside what was foreseen.

    Attributes:
        calls_since_look: 0 before the episode's first look, 1 at the first call after a look.
        gripper: the last command that was executed, -1 or +1; 0 before the first.
    """

    calls_since_look: Int[Array, "B"]
    gripper: Float[Array, "B"]


@typecheck
def must_look(rule: SkipRule, evidence: SkipEvidence, state: SkipState, longest_run: int) -> Bool[Array, "B"]:
    """Which rows need the main model: whose draft the rule does not accept, or that have gone without for too long.

    Args:
        rule: what lets a draft act.
        evidence: of this call.
        state: of each row's episode; the first call of an episode always looks.
        longest_run: calls in a row without a look, at most.
    """
    is_due = (state.calls_since_look == 0) | (state.calls_since_look > longest_run)
    return is_due | ~rule.accepts(evidence)


@typecheck
def next_state(state: SkipState, looked: Bool[Array, "B"], acted: Actions) -> SkipState:
    """The state after a call that acted on chunks `acted`, whatever their units: of them the gripper counts."""
    return SkipState(jnp.where(looked, 1, state.calls_since_look + 1), jnp.sign(acted[:, -1, GRIPPER]))


@typecheck
def foresight_gap(drafted: Actions, foreseen: Actions) -> Float[Array, "B"]:
    """Largest difference of any motion dimension and step, in the actions' units; infinite where a gripper differs."""
    return jnp.where(same_gripper(drafted, foreseen), motion_distance(drafted, foreseen), jnp.inf)


@typecheck
def draft_distance(drafted: Actions, acted: Actions) -> Float[Array, "B"]:
    """How far a draft lies from what the main model acts on: what a rule is to foresee, and its risk is counted in.

    Args:
        drafted, acted: chunks in half-ranges; of the gripper the sign counts.

    Returns:
        The largest difference of any motion dimension and step; at least `GRIPPER_DISTANCE` where a gripper differs.
    """
    motion = motion_distance(drafted, acted)
    return jnp.where(same_gripper(drafted, acted), motion, jnp.maximum(motion, GRIPPER_DISTANCE))


@typecheck
def motion_distance(one: Actions, other: Actions) -> Float[Array, "B"]:
    """Largest difference of any motion dimension and step, in the actions' units."""
    return jnp.max(jnp.abs(one - other)[..., :GRIPPER], axis=(1, 2))


@typecheck
def same_gripper(one: Actions, other: Actions) -> Bool[Array, "B"]:
    """Whether the gripper has the same sign at every step."""
    return jnp.all((one[..., GRIPPER] >= 0) == (other[..., GRIPPER] >= 0), axis=1)

"""What evaluation asks of a policy, and in what form: types and names."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from eval_bridge.observations import Observation
from eval_bridge.policies.observation_needs import PolicyObservation
from eval_bridge.policies.random_streams import EpisodeKey
from rsd_jax.observation_needs import ObservationNeeds

PIPELINE_STAGES = ("preprocess", "draft", "backbone", "decoder", "detokenize")
"""Parts of one call, in order. Timed as functions compiled separately; their sum is printed beside `FUSED_STAGE`.

`preprocess` takes an observation to the device, frames as rendered in one copy, and reduces them there. `draft` is a
cascade's draft policy, which no other decoder has; its `decoder` is what a look of the main backbone adds.
"""

FUSED_STAGE = "chunk"
"""The deployed call: from an observation, frames as rendered, to actions on the host; of a cascade one that looks."""

SKIPPED_STAGE = "chunk_skipped"
"""The same program of a cascade when no row needs the main backbone: what a skipped look leaves to do."""

PASS_STAGES = ("draft_pass", "verify_pass", "step_pass")
"""Single passes of the cost model: one draft, one verification, for which the main head scores the whole code, and one
autoregressive layer. Optional."""


class ShadowOutput(NamedTuple):
    """What a cascade knew at a call where the main model ran whether it was needed or not.

    Attributes:
        drafted: the draft policy's tokens, given the look of 1 .. H calls ago, ``int [H, C, D, L]``; H is 1 for one
            without a memory.
        foreseen: the main model's, of the chunk to act on and of those behind it, ``int [N, C, D, L]``.
        distance: that the draft policy expected between its chunk and the main model's, in half-ranges, ``[H]``.
    """

    drafted: NDArray[np.integer]
    foreseen: NDArray[np.integer]
    distance: NDArray[np.floating]


class PolicyOutput(NamedTuple):
    """One chunk of actions and how it was decoded.

    Attributes:
        actions: ``float32 [8, 7]`` in the environment's convention (gripper -1 open, +1 close).
        rounds: passes of the main head that the decoder needed; 0 for a policy without tokens.
        accepted: draft tokens accepted, ``int [L, D]``, summed over the chunk's steps; zeros where none was drafted.
        proposed: draft tokens proposed, likewise, informative digits only.
        first_run: ``int [K + 1]``, 1 at the number of leading layers that all columns accepted in the first round.
        looked: whether the main backbone was needed; always, but for a cascade.
        shadow: of a cascade that is watched.
    """

    actions: NDArray[np.float32]
    rounds: int
    accepted: NDArray[np.integer]
    proposed: NDArray[np.integer]
    first_run: NDArray[np.integer]
    looked: bool = True
    shadow: ShadowOutput | None = None


class Promise(NamedTuple):
    """What becomes of the last chunk while the next one is decided on: of whole numbers, or arrays of them.

    Attributes:
        passed: its steps that lie behind.
        fixed: steps behind those that will have been executed when the next chunk is there.
        overlapping: further steps behind those, which the next chunk plans again.
    """

    passed: Any
    fixed: Any
    overlapping: Any


def output_without_tokens(actions: NDArray[np.float32]) -> PolicyOutput:
    """A chunk ``[C, 7]`` of a policy that decodes no tokens, or tells nothing of it."""
    none: NDArray[np.int32] = np.zeros((0, 0), np.int32)
    return PolicyOutput(actions, rounds=0, accepted=none, proposed=none, first_run=none.ravel())


class PolicyRequest(NamedTuple):
    """What an episode asks of a policy.

    Attributes:
        observation: what is seen now, as far as the policy needs it.
        episode: random key of the episode (`eval_bridge.policies.random_streams`).
        call: how many chunks the episode has asked for before.
        state: what the policy answered to the episode's last request, a pytree of arrays; None at its first.
        promise: of the chunk that this was the answer of, for a policy that takes promises; None for nothing.
    """

    observation: PolicyObservation
    episode: EpisodeKey
    call: int = 0
    state: Any = None
    promise: Promise | None = None


class PolicyAnswer(NamedTuple):
    """A chunk, and the `state` that the episode hands in with its next request: arrays on the host."""

    output: PolicyOutput
    state: Any


class Policy(Protocol):
    """A compiled policy: observations in, chunks of actions out. It remembers nothing between two calls.

    One that makes something of promises says so by an attribute ``takes_promises``, which is true.

    Attributes:
        decoder: its decoder's name (`eval_bridge.policies.decoders`).
        batch_size: rows of a call of `act_batch`.
        observation_needs: what its observations must hold.
    """

    decoder: str
    batch_size: int

    @property
    def observation_needs(self) -> ObservationNeeds:
        """What its observations must hold."""
        ...

    def act_batch(self, requests: Mapping[int, PolicyRequest]) -> dict[int, PolicyAnswer]:
        """Answers several requests by one call of one shape: row -> request, row -> answer.

        What comes out of a row depends on what went into that row and on nothing else.
        """
        ...

    def stage_functions(self, observation: Observation) -> dict[str, Callable[[], object]]:
        """Zero-argument calls to time, by name: `FUSED_STAGE`, and of the other stages those that the decoder has."""
        ...

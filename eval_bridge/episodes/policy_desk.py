"""One policy for the episodes of many worker processes: they ask for chunks, its owner answers several by one call.

No worker needs an accelerator, or JAX.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from eval_bridge.observations import Observation
from eval_bridge.policies.interface import Policy, PolicyOutput, PolicyRequest, Promise
from eval_bridge.policies.observation_needs import PolicyObservation, blank_observation, select_observation
from eval_bridge.policies.random_streams import EpisodeKey, episode_key
from eval_bridge.workers.messages import Ask
from rsd_jax.observation_needs import ObservationNeeds


class PolicyQuestion(NamedTuple):
    """What a worker asks its owner while it runs an episode; the answer is a `PolicyOutput`.

    Attributes:
        row: of the policy's batch.
        key: of the episode.
        call: how often the episode has asked before; at 0 the owner begins with a fresh state.
        observation: as far as the policy needs it.
        promise: of the last chunk; None for nothing.
    """

    row: int
    key: EpisodeKey
    call: int
    observation: PolicyObservation
    promise: Promise | None


AskPolicy = Ask[PolicyQuestion, PolicyOutput]


class OwnersPolicy:
    """The owner's policy, for one episode (implements `eval_bridge.episodes.rollout.Actor`)."""

    def __init__(self, ask: AskPolicy, row: int, key: EpisodeKey, needs: ObservationNeeds) -> None:
        """Asks nothing yet.

        Args:
            ask: the owner.
            row: of the policy's batch, which answers all questions of the episode.
            key: of the episode.
            needs: what the policy needs of an observation.
        """
        self._ask, self._row, self._key, self._needs = ask, row, key, needs
        self._calls = 0

    def act(self, observation: Observation, promise: Promise | None = None) -> PolicyOutput:
        """Sends what the policy needs of the observation and waits for the chunk."""
        seen = select_observation(observation, self._needs)
        output = self._ask(PolicyQuestion(self._row, self._key, self._calls, seen, promise))
        self._calls += 1
        return output


class PolicyDesk:
    """Where the owner answers what its workers ask."""

    def __init__(self, policy: Policy, answer: Callable[[int, PolicyOutput], None]) -> None:
        """Compiles nothing yet.

        Args:
            policy: whose chunks are the answers.
            answer: sends one to a worker, by its number.
        """
        self._policy, self._send = policy, answer
        self._states: dict[int, Any] = {}  # of the policy, by the worker whose episode it belongs to

    def compile_policy(self) -> None:
        """Calls the policy once, so that no episode's time has compilation in it."""
        seen = blank_observation(self._policy.observation_needs, "compile")
        self._policy.act_batch({0: PolicyRequest(seen, episode_key(0, 0, 0))})

    def serve(self, waiting: dict[int, PolicyQuestion]) -> None:
        """Answers what has been asked, by one call; of questions for the same row only the first."""
        chosen: dict[int, int] = {}  # row -> worker
        for worker, question in waiting.items():
            chosen.setdefault(question.row, worker)
        requests = {row: self._request(worker, waiting[worker]) for row, worker in chosen.items()}
        answers = self._policy.act_batch(requests)
        for row, worker in chosen.items():
            del waiting[worker]
            self._states[worker] = answers[row].state
            self._send(worker, answers[row].output)

    def _request(self, worker: int, question: PolicyQuestion) -> PolicyRequest:
        """What a worker's episode asks, with the state that its last answer left; a new episode has none.

        That of the episode before is let go first: it may be something of which there are only so many.
        """
        if not question.call:
            self._states.pop(worker, None)
        state = self._states.get(worker)
        return PolicyRequest(question.observation, question.key, question.call, state, question.promise)

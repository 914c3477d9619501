"""One episode of a policy at hand."""

from typing import Any

from eval_bridge.observations import Observation
from eval_bridge.policies.interface import Policy, PolicyOutput, PolicyRequest, Promise
from eval_bridge.policies.observation_needs import select_observation
from eval_bridge.policies.random_streams import EpisodeKey


class PolicyEpisode:
    """Asks a policy for an episode's chunks: counts the calls and carries its state (an `Actor`)."""

    def __init__(self, policy: Policy, key: EpisodeKey) -> None:
        """The episode begins; `key` is its own (`episode_key`)."""
        self._policy, self._key = policy, key
        self._call = 0
        self._state: Any = None

    def act(self, observation: Observation, promise: Promise | None = None) -> PolicyOutput:
        """Decides on the next chunk."""
        seen = select_observation(observation, self._policy.observation_needs)
        answer = self._policy.act_batch({0: PolicyRequest(seen, self._key, self._call, self._state, promise)})[0]
        self._call, self._state = self._call + 1, answer.state
        return answer.output

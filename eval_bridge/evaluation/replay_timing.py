"""How long the calls of whole episodes take: what was seen in them, shown again to several policies in turns.

A cascade's calls take as long as a draft or as a look, so what a chunk costs is a mean over episodes and no percentile
of one observation. The policies answer the same observations one after the other, in changing order, each with the
state that its own answers carry.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval_bridge.episodes.rollout import Rollout, run_episode
from eval_bridge.observations import Observation
from eval_bridge.policies.interface import Policy, PolicyOutput, Promise
from eval_bridge.policies.policy_episode import PolicyEpisode
from eval_bridge.policies.random_streams import EpisodeKey
from eval_bridge.simulators.interface import EpisodeStart, Simulator


class WatchedEpisode(NamedTuple):
    """An episode's result, and what its policy was shown, call by call."""

    rollout: Rollout
    observations: tuple[Observation, ...]


class ReplayTimes(NamedTuple):
    """One policy in one episode.

    Attributes:
        milliseconds: of each call, from observation to actions on the host.
        looked: whether the main backbone was needed, likewise.
    """

    milliseconds: NDArray[np.float64]
    looked: NDArray[np.bool_]


def watch_episode(
    simulator: Simulator, policy: Policy, start: EpisodeStart, step_limit: int, key: EpisodeKey
) -> WatchedEpisode:
    """Runs an episode and keeps what its policy is shown."""
    watcher = _Watcher(PolicyEpisode(policy, key))
    rollout, _ = run_episode(simulator, watcher, start, step_limit)
    return WatchedEpisode(rollout, tuple(watcher.seen))


def time_replay(
    policies: Mapping[str, Policy],
    observations: Sequence[Observation],
    key: EpisodeKey,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, ReplayTimes]:
    """Shows an episode's observations to all of `policies`, which must have been called before: none is to compile."""
    episodes = {name: PolicyEpisode(policy, key) for name, policy in policies.items()}
    told: dict[str, list[tuple[float, bool]]] = {name: [] for name in policies}
    names = list(policies)
    for call, observation in enumerate(observations):
        first = call % len(names)
        for name in names[first:] + names[:first]:
            began = clock()
            output = episodes[name].act(observation)
            told[name].append((1e3 * (clock() - began), output.looked))
    return {
        name: ReplayTimes(np.array([each[0] for each in calls]), np.array([each[1] for each in calls], np.bool_))
        for name, calls in told.items()
    }


def summarise_replay(episodes: Sequence[ReplayTimes]) -> dict[str, Any]:
    """Mean and percentiles over all calls, and the share of calls that did without the main backbone."""
    milliseconds = np.concatenate([each.milliseconds for each in episodes])
    looked = np.concatenate([each.looked for each in episodes])
    percentiles = (float(value) for value in np.percentile(milliseconds, (50, 90, 99)))
    return {
        "episodes": len(episodes),
        "calls": len(milliseconds),
        "chunk_ms_mean": float(milliseconds.mean()),
        "chunk_ms": dict(zip(("p50", "p90", "p99"), percentiles, strict=True)),
        "skipped": 1 - float(looked.mean()),
    }


class _Watcher:
    """A policy's episode that keeps what it is shown (implements `eval_bridge.episodes.rollout.Actor`)."""

    def __init__(self, episode: PolicyEpisode) -> None:
        self._episode = episode
        self.seen: list[Observation] = []

    def act(self, observation: Observation, promise: Promise | None = None) -> PolicyOutput:
        self.seen.append(observation)
        return self._episode.act(observation, promise)

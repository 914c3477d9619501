"""Whole episodes shown again to several policies, with a clock that each of them turns by hand."""

import numpy as np
import pytest

from eval_bridge.evaluation.replay_timing import ReplayTimes, summarise_replay, time_replay, watch_episode
from eval_bridge.policies.compiled_policy import CompiledPolicy
from eval_bridge.policies.interface import PolicyAnswer, PolicyOutput
from eval_bridge.simulators.point_mass import PointMassSimulator
from rsd_jax.observation_needs import ObservationNeeds


class Clock:
    """Seconds that pass only when somebody works."""

    seconds = 0.0

    def __call__(self):
        return self.seconds


class Working:
    """A policy that takes `seconds` a call and looks at every second one of an episode; notes who was asked when."""

    observation_needs = ObservationNeeds(128, ("agentview", "wrist"), 8)

    def __init__(self, clock, seconds, name, order):
        self.clock, self.seconds, self.name, self.order = clock, seconds, name, order

    def act_batch(self, requests):
        ((row, request),) = requests.items()
        self.clock.seconds += self.seconds
        self.order.append(self.name)
        calls = 0 if request.state is None else request.state
        nothing = np.zeros((0, 0), int)
        actions = np.zeros((8, 7), np.float32)
        output = PolicyOutput(actions, 0, nothing, nothing, np.zeros(0, int), looked=calls % 2 == 0)
        return {row: PolicyAnswer(output, calls + 1)}


def test_policies_take_turns_and_each_carries_its_own_state():
    clock, order = Clock(), []
    policies = {name: Working(clock, seconds, name, order) for name, seconds in (("slow", 0.03), ("fast", 0.001))}
    simulator = PointMassSimulator()
    simulator.begin(simulator.draw_start(0))
    times = time_replay(policies, [simulator.observe()] * 4, (1, 2), clock)
    assert order == ["slow", "fast", "fast", "slow"] * 2
    np.testing.assert_allclose(times["slow"].milliseconds, 30)
    np.testing.assert_allclose(times["fast"].milliseconds, 1)
    assert times["fast"].looked.tolist() == [True, False, True, False]


def test_a_mean_is_over_calls_and_not_over_episodes():
    long = ReplayTimes(np.full(9, 1.0), np.array([True] + [False] * 8))
    short = ReplayTimes(np.full(1, 11.0), np.array([True]))
    found = summarise_replay([long, short])
    assert (found["episodes"], found["calls"]) == (2, 10)
    assert found["chunk_ms_mean"] == pytest.approx(2.0)
    assert found["skipped"] == pytest.approx(0.8)
    assert found["chunk_ms"]["p50"] == pytest.approx(1.0)


def test_a_replay_looks_where_the_episode_did(preflight_run):
    policy = CompiledPolicy.load(preflight_run, "cascade", settings="tolerance=2")
    simulator = PointMassSimulator()
    watched = watch_episode(simulator, policy, simulator.draw_start(0), 48, (1, 2))
    assert len(watched.observations) == len(watched.rollout.rounds) == 6
    looked = time_replay({"cascade": policy}, watched.observations, (1, 2))["cascade"].looked
    assert looked.tolist() == list(watched.rollout.looked or [True] * 6)

from types import SimpleNamespace

import numpy as np
import pytest

from eval_bridge.episodes.execution.delayed import Asynchronous, Hold, RealTimeChunking
from eval_bridge.episodes.execution.timing import EpisodeTiming
from eval_bridge.episodes.rollout import run_episode, summarise_actions
from eval_bridge.policies.interface import PolicyOutput, Promise
from tests.eval_bridge.evaluation.evaluation_fakes import (
    DRAFT_COUNTS,
    CountingPolicy,
    CountingSimulator,
    start_solved_after,
)


def test_chunks_are_executed_open_loop_until_success():
    simulator = CountingSimulator()
    rollout, _ = run_episode(simulator, CountingPolicy(), start_solved_after(11), step_limit=100)
    assert rollout.success
    assert rollout.steps == 11
    assert simulator.calls == ["begin", "observe 0", "observe 8"]
    first = [float(action[0]) for action in simulator.actions]
    np.testing.assert_allclose(first, [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 1.0, 1.1, 1.2], atol=1e-6)


def test_unsolved_episode_ends_exactly_at_the_limit():
    simulator = CountingSimulator()
    rollout, _ = run_episode(simulator, CountingPolicy(), start_solved_after(100), step_limit=20)
    assert not rollout.success
    assert rollout.steps == len(simulator.actions) == 20


def test_success_on_the_last_allowed_step_counts():
    assert run_episode(CountingSimulator(), CountingPolicy(), start_solved_after(20), step_limit=20)[0].success
    assert not run_episode(CountingSimulator(), CountingPolicy(), start_solved_after(21), step_limit=20)[0].success


def test_counts_are_summed_over_chunks():
    rollout, _ = run_episode(CountingSimulator(), CountingPolicy(), start_solved_after(11), step_limit=100)
    assert rollout.rounds == (3, 3)
    assert rollout.acceptance.accepted == ((8, 4), (4, 0), (0, 0))
    assert rollout.acceptance.proposed == ((8, 8), (8, 8), (0, 0))
    assert rollout.acceptance.first_run == (2, 0, 0)


def test_times_are_those_of_waiting_for_a_chunk_and_of_the_whole_episode(monkeypatch):
    clock = SimpleNamespace(now=100.0)
    clock.perf_counter = lambda: clock.now
    monkeypatch.setattr("eval_bridge.episodes.rollout.time", clock)

    class SlowPolicy(CountingPolicy):
        def act(self, observation):
            clock.now += 0.2500001
            return super().act(observation)

    class SlowSimulator(CountingSimulator):
        def step(self, action):
            clock.now += 0.01
            return super().step(action)

    rollout, _ = run_episode(SlowSimulator(), SlowPolicy(), start_solved_after(11), step_limit=100)
    assert rollout.chunk_seconds == (0.25, 0.25)
    assert rollout.seconds == 0.61


def test_without_video_only_the_policy_renders():
    simulator = CountingSimulator()
    _, recording = run_episode(simulator, CountingPolicy(), start_solved_after(30), step_limit=30)
    assert recording.frames == ()
    assert not [call for call in simulator.calls if call.startswith("render")]


def test_video_renders_nothing_that_the_policy_has_rendered():
    simulator = CountingSimulator()
    _, recording = run_episode(simulator, CountingPolicy(), start_solved_after(18), step_limit=30, video_stride=4)
    assert [frame.step for frame in recording.frames] == [0, 4, 8, 12, 16, 18]
    rendered = [call for call in simulator.calls if call.startswith("render")]
    assert rendered == ["render agentview 4", "render agentview 12", "render agentview 18"]


def test_video_frames_are_upright():
    _, recording = run_episode(
        CountingSimulator(), CountingPolicy(), start_solved_after(2), step_limit=2, video_stride=4
    )
    for frame in recording.frames:
        assert (frame.image[0] == 255).all()
        assert (frame.image[1:] < 255).all()


@pytest.mark.parametrize(
    ("actions", "message"),
    [(np.zeros((8, 6), np.float32), r"shape \(8, 6\)"), (np.full((8, 7), np.nan, np.float32), "not finite")],
)
def test_actions_that_no_simulator_can_execute_are_refused(actions, message):
    class BrokenPolicy(CountingPolicy):
        def act(self, observation):
            return PolicyOutput(actions, rounds=3, **DRAFT_COUNTS)

    simulator = CountingSimulator()
    with pytest.raises(ValueError, match=message):
        run_episode(simulator, BrokenPolicy(), start_solved_after(9), step_limit=9)
    assert not simulator.actions


def test_chunks_of_another_length_than_the_first_are_refused_where_they_come():
    lengths = iter([3, 2])

    class UnevenPolicy(CountingPolicy):
        def act(self, observation):
            return PolicyOutput(np.zeros((next(lengths), 7), np.float32), rounds=3, **DRAFT_COUNTS)

    simulator = CountingSimulator()
    with pytest.raises(ValueError, match="a chunk of 2 actions after one of 3"):
        run_episode(simulator, UnevenPolicy(), start_solved_after(9), step_limit=9)
    assert len(simulator.actions) == 3


def test_numbers_out_of_range_are_refused():
    with pytest.raises(ValueError, match="step_limit=0"):
        run_episode(CountingSimulator(), CountingPolicy(), start_solved_after(9), step_limit=0)
    with pytest.raises(ValueError, match="video_stride=0"):
        run_episode(CountingSimulator(), CountingPolicy(), start_solved_after(9), step_limit=9, video_stride=0)


def test_action_summary_by_hand():
    actions = np.zeros((4, 7), np.float32)
    actions[:, 0] = [1.0, -1.0, 0.5, 0.5]
    actions[:, 6] = [-1, -1, 1, -1]
    summary = summarise_actions(actions)
    assert summary.mean[0] == 0.25
    assert summary.saturated == pytest.approx(2 / 24, abs=1e-5)
    assert summary.gripper_switches == 2


class TellingPolicy(CountingPolicy):
    """Remembers what was promised."""

    def __init__(self):
        super().__init__()
        self.promises = []

    def act(self, observation, promise=None):
        self.promises.append(promise)
        return super().act(observation)


def delayed_episode(execution, delays, limit, video_stride=None, solved_after=100):
    simulator, policy = CountingSimulator(), TellingPolicy()
    rollout, recording = run_episode(
        simulator, policy, start_solved_after(solved_after), limit, video_stride, execution.begin(delays)
    )
    return simulator, policy, rollout, recording


def test_held_steps_count_to_the_limit_and_are_told():
    simulator, _, rollout, recording = delayed_episode(Hold(), (3, 3), limit=12)
    assert rollout.steps == len(simulator.actions) == 12
    assert rollout.timing == EpisodeTiming((3, 3), (None, None, None, 3, 4, 5, 6, 7, 8, 9, 10, None), underruns=2)
    assert simulator.calls == ["begin", "observe 0", "observe 11"]
    assert recording.trace.sources.tolist() == [-1, -1, -1, *[0] * 8, -1]
    assert recording.trace.chunk_starts.tolist() == [0, 11]
    assert rollout.rounds == (3, 3)


def test_success_ends_an_episode_whose_call_is_out():
    _, _, rollout, _ = delayed_episode(Asynchronous(), (0, 8), limit=50, solved_after=6)
    assert (rollout.success, rollout.steps) == (True, 6)
    assert rollout.timing.delays == (0, 8)


def test_the_policy_is_told_what_is_promised():
    _, policy, rollout, _ = delayed_episode(RealTimeChunking(), (0, 2, 2), limit=9)
    assert policy.promises == [None, Promise(4, 2, 2), Promise(4, 2, 2)]
    assert rollout.timing.ages == (0, 1, 2, 3, 4, 5, 2, 3, 4)


def test_frames_of_held_steps_are_marked():
    _, _, _, recording = delayed_episode(Hold(), (4,), limit=8, video_stride=2)
    assert [(frame.step, frame.is_held) for frame in recording.frames] == [
        *((0, True), (2, True), (4, False), (6, False), (8, False)),
    ]


def test_without_delay_nothing_tells_how_chunks_were_executed():
    _, _, rollout, recording = delayed_episode(Hold(), (0, 0, 0), limit=20, video_stride=4)
    plain, plain_recording = run_episode(CountingSimulator(), TellingPolicy(), start_solved_after(100), 20, 4)
    assert rollout.timing is None
    assert recording.trace.sources is None
    clocked = {"seconds": 0.0, "chunk_seconds": ()}
    assert rollout._replace(**clocked) == plain._replace(**clocked)
    assert [frame.step for frame in recording.frames] == [frame.step for frame in plain_recording.frames]

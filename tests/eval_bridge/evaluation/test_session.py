import dataclasses
import os
import random
import signal
from functools import partial

import pytest

from eval_bridge.episodes.execution.delayed import Asynchronous, Hold, RealTimeChunking
from eval_bridge.episodes.trace import load_trace
from eval_bridge.evaluation.delays import FixedDelay, LatencyProfile, MeasuredDelay, read_delay
from eval_bridge.evaluation.episode_log import EpisodeLog
from eval_bridge.evaluation.plan import EpisodeId, EvaluationPlan
from eval_bridge.evaluation.preparation import EvaluationStopped
from eval_bridge.evaluation.records import ErrorRecord
from eval_bridge.evaluation.session import WorkerSettings, run_evaluation
from eval_bridge.policies.interface import Promise
from eval_bridge.policies.random_streams import episode_key
from eval_bridge.simulators.check_result import SelfCheckFailed
from tests.eval_bridge.evaluation.evaluation_fakes import CountingBenchmark, CountingPolicy, make_trouble

IDENTITY = {
    "suite": "counting_suite",
    "simulator": "counting",
    "decoder": "speculative_greedy",
    "seed": 7,
    "step_limit": 25,
}
PLAN = EvaluationPlan(task_indices=(0, 1), episodes_per_task=3, seed=7, latency_repeats=0)
RESULTS = {(task, k): result for task in (0, 1) for k, result in enumerate([(True, 10), (True, 20), (False, 25)])}


def run(folder, plan=PLAN, workers=1, policy=None, on_record=None, **benchmark):
    make_benchmark = partial(CountingBenchmark, folder, **benchmark)
    records = []

    def tell(record):
        records.append(record)
        if on_record is not None:
            on_record(record)

    with EpisodeLog(folder / "episodes.jsonl", IDENTITY) as log:
        settings = WorkerSettings(workers)
        summary = run_evaluation(make_benchmark, policy or CountingPolicy(), plan, log, tell, settings)
        return summary, records, log.contents


def results(contents):
    """Success and steps, by episode."""
    return {
        tuple(episode): (record.rollout.success, record.rollout.steps) for episode, record in contents.episodes.items()
    }


def scenes_built(folder):
    return len(list(folder.glob("built_*")))


def lasting(record):
    """A record without what depends on the clock."""
    return dataclasses.replace(record, rollout=record.rollout._replace(seconds=0.0, chunk_seconds=()))


@pytest.mark.parametrize("workers", [1, 3])
def test_every_planned_episode_has_one_result(tmp_path, workers):
    summary, records, contents = run(tmp_path, workers=workers)
    assert results(contents) == RESULTS
    assert len(records) == 6
    assert (summary.episodes, summary.successes, summary.planned, summary.errors) == (6, 4, 6, 0)
    (speed,) = contents.speeds
    assert (speed.episodes, speed.steps, speed.workers) == (6, 2 * (10 + 20 + 25), workers)


def test_records_and_traces_do_not_depend_on_the_number_of_workers(tmp_path):
    contents = {}
    for workers in (1, 4):
        folder = tmp_path / str(workers)
        folder.mkdir()
        contents[workers] = run(folder, workers=workers)[2]
    assert len(contents[1].episodes) == len(contents[4].episodes) == 6
    for episode, record in contents[1].episodes.items():
        assert lasting(record) == lasting(contents[4].episodes[episode])
        traces = [load_trace(tmp_path / str(workers) / record.trace) for workers in (1, 4)]
        assert all((first == second).all() for first, second in zip(traces[0][:6], traces[1][:6], strict=True))


@pytest.mark.parametrize("workers", [1, 3])
def test_a_policy_is_told_whose_episode_asks_and_gets_its_state_back(tmp_path, workers):
    policy = CountingPolicy()
    run(tmp_path, policy=policy, workers=workers)
    by_episode = {}
    for request in policy.requests[1:]:  # behind the call that compiles
        by_episode.setdefault(request.episode, []).append(request)
    assert set(by_episode) == {episode_key(7, *episode) for episode in RESULTS}
    for key, requests in by_episode.items():
        assert [request.call for request in requests] == list(range(len(requests)))
        assert [request.state for request in requests] == [None, *((*key, call) for call in range(1, len(requests)))]


def test_questions_of_an_episode_always_go_to_its_row(tmp_path):
    policy = CountingPolicy(batch_size=3)
    run(tmp_path, EvaluationPlan((1,), 2, seed=7, latency_repeats=0), policy=policy)
    # After the call that compiles: task 1, episodes 0 and 1 are numbers 4 and 5, rows 1 and 2.
    assert policy.batches == [{0}, {1}, {1}, {2}, {2}, {2}]


def test_one_scene_a_task_and_worker(tmp_path):
    run(tmp_path)
    assert scenes_built(tmp_path) == 2


def test_restart_goes_on_where_it_stopped(tmp_path):
    run(tmp_path, EvaluationPlan((0,), 2, seed=7, latency_repeats=0))
    summary, records, contents = run(tmp_path)
    assert {(record.task_index, record.episode) for record in records} == {(0, 2), (1, 0), (1, 1), (1, 2)}
    assert results(contents) == RESULTS
    assert summary.episodes == 6
    assert len(contents.sessions) == 2


def test_finished_evaluation_builds_nothing(tmp_path):
    run(tmp_path)
    before = scenes_built(tmp_path)
    summary, records, _ = run(tmp_path)
    assert records == []
    assert scenes_built(tmp_path) == before
    assert summary.episodes == 6


def test_crash_is_logged_and_the_episode_run_again_in_a_fresh_scene(tmp_path):
    make_trouble(tmp_path, "crash", 2)
    summary, _, contents = run(tmp_path)
    assert [error.attempt for error in contents.errors] == [1, 2]
    assert "the driver is gone" in contents.errors[0].error
    assert "in step" in contents.errors[0].traceback
    assert results(contents) == RESULTS
    assert (summary.errors, summary.crashed_attempts) == (0, 2)
    assert scenes_built(tmp_path) == 4  # although the crashed ones can't even be closed


def test_workers_that_die_lose_no_episode_and_double_none(tmp_path):
    make_trouble(tmp_path, "die", 2)
    summary, records, contents = run(tmp_path, workers=3)
    assert results(contents) == RESULTS
    assert len(contents.errors) == 2
    assert "died with exit status 1" in contents.errors[0].error
    assert len([record for record in records if not isinstance(record, ErrorRecord)]) == 6
    assert summary.errors == 0


def test_workers_killed_at_random_change_no_result(tmp_path, monkeypatch):
    """After each of the first episodes, some worker is killed, whatever it is doing."""
    from eval_bridge.evaluation import session as evaluation

    pools = []

    class WatchedPool(evaluation.WorkerPool):
        def __init__(self, *arguments, **settings):
            super().__init__(*arguments, **settings)
            pools.append(self)

    monkeypatch.setattr(evaluation, "WorkerPool", WatchedPool)
    killed = []

    def kill_some(record):
        alive = [process for process in pools[0].process_ids if process not in killed]
        if not isinstance(record, ErrorRecord) and alive and len(killed) < 4:
            killed.append(random.Random(len(killed)).choice(alive))
            os.kill(killed[-1], signal.SIGKILL)

    plan = EvaluationPlan((0, 1), 4, seed=7, latency_repeats=0, max_attempts=9)
    _, _, contents = run(tmp_path, plan, workers=2, on_record=kill_some)
    assert len(killed) >= 2
    assert contents.errors
    expected = RESULTS | {(task, 3): (False, 25) for task in (0, 1)}
    assert results(contents) == expected


def test_evaluation_ends_after_the_last_attempt_and_counts_no_failure(tmp_path):
    make_trouble(tmp_path, "crash", 50)
    summary, records, contents = run(tmp_path)
    assert len(records) == PLAN.max_attempts
    assert contents.episodes == {}
    assert (summary.episodes, summary.errors, summary.success_rate) == (0, 1, None)


def test_crashed_episode_is_tried_again_after_a_restart(tmp_path):
    make_trouble(tmp_path, "crash", PLAN.max_attempts)
    assert run(tmp_path)[0].errors == 1
    summary, _, _ = run(tmp_path)
    assert (summary.episodes, summary.errors, summary.crashed_attempts) == (6, 0, PLAN.max_attempts)


def test_scenes_that_cannot_be_built_end_the_evaluation(tmp_path):
    with pytest.raises(EvaluationStopped, match="no renderer"):
        run(tmp_path, can_build=False)


def test_wrong_installation_is_refused_before_any_episode(tmp_path):
    with pytest.raises(SelfCheckFailed, match="gripper direction: opens at"):
        run(tmp_path, is_right=False)
    assert "episode" not in [line.split('"')[3] for line in (tmp_path / "episodes.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("folder", ["traces", "videos"])
def test_a_disk_that_takes_no_file_is_no_crash_of_an_episode(tmp_path, folder):
    (tmp_path / folder).write_text("a file is in the way")
    plan = EvaluationPlan((0,), 2, seed=7, videos_per_task=1, latency_repeats=0)
    with pytest.raises(OSError, match="exists"):
        run(tmp_path, plan)
    kinds = [line.split('"')[3] for line in (tmp_path / "episodes.jsonl").read_text().splitlines()]
    assert kinds == ["evaluation", "session"]


def test_first_episodes_of_each_task_are_filmed(tmp_path):
    plan = EvaluationPlan((0, 1), 3, seed=7, videos_per_task=1, video_stride=4, latency_repeats=0)
    _, records, _ = run(tmp_path, plan)
    names = sorted(path.name for path in (tmp_path / "videos").iterdir())
    assert names == ["task00_episode000_success.mp4", "task01_episode000_success.mp4"]
    videos = {(record.task_index, record.episode): record.video for record in records}
    assert videos[0, 0] == "videos/task00_episode000_success.mp4"
    assert videos[0, 1] is None


def test_traces_tell_what_was_done(tmp_path):
    _, _, contents = run(tmp_path)
    record = contents.episodes[EpisodeId(0, 1)]
    trace = load_trace(tmp_path / record.trace)
    assert record.trace == "traces/task00_episode001.npz"
    assert trace.actions.shape == (20, 7)
    assert trace.chunk_starts.tolist() == [0, 8, 16]
    assert trace.goal == (("on", "bowl", "plate"),)
    assert trace.goal_holds[:, 0].tolist() == [False] * 20 + [True]


def test_latency_is_measured_once(tmp_path):
    plan = EvaluationPlan((0,), 1, seed=7, latency_repeats=3)
    summary, _, contents = run(tmp_path, plan)
    assert {"chunk", "backbone", "sum_of_stages"} <= set(summary.latency_ms)
    before = scenes_built(tmp_path)
    _, _, unchanged = run(tmp_path, plan)
    assert unchanged.latency == contents.latency
    assert scenes_built(tmp_path) == before


def test_held_steps_and_delays_stand_in_the_records(tmp_path):
    plan = dataclasses.replace(PLAN, execution=Hold(), delay=FixedDelay(3))
    _, _, contents = run(tmp_path, plan)
    # Solved after 10 and 20 steps, held ones included; the third runs into the limit of 25.
    assert results(contents) == RESULTS
    timing = contents.episodes[EpisodeId(0, 1)].rollout.timing
    assert (timing.delays, timing.holds, timing.underruns) == ((3, 3), 6, 2)
    assert contents.profile is None


def test_a_named_profile_stands_in_the_log_and_draws_by_the_episode(tmp_path):
    profile = LatencyProfile("slow", "made up", (0.04, 0.09, 0.24))
    plan = dataclasses.replace(PLAN, execution=Asynchronous(), delay=profile)
    _, _, contents = run(tmp_path, plan, workers=2)
    assert contents.profile == profile
    for episode, record in contents.episodes.items():
        drawn = profile.draw(7, *episode, calls=25)
        assert record.rollout.timing.delays == drawn[: len(record.rollout.timing.delays)]


def test_a_measured_profile_is_of_the_policy_itself_and_measured_once(tmp_path, monkeypatch):
    from eval_bridge.evaluation import session as evaluation

    measured = []

    def time_calls(call, repeats):
        call()
        measured.append(repeats)
        return (0.13, 0.0700000001)

    monkeypatch.setattr(evaluation, "time_calls", time_calls)
    plan = dataclasses.replace(PLAN, execution=Hold(), delay=MeasuredDelay())
    first = dataclasses.replace(plan, task_indices=(0,), episodes_per_task=2)
    _, _, contents = run(tmp_path, first)
    assert measured == [100]
    assert contents.profile.seconds == (0.13, 0.07)
    assert contents.profile.name == "measured"
    assert contents.profile.source.startswith("speculative_greedy at batch 1 on CPU")
    assert read_delay(str(tmp_path / "latency_profile.json")) == contents.profile
    _, _, contents = run(tmp_path, plan)
    assert measured == [100]
    for episode, record in contents.episodes.items():
        drawn = contents.profile.draw(7, *episode, calls=25)
        assert record.rollout.timing.delays == drawn[: len(record.rollout.timing.delays)]
        assert set(drawn) == {2, 3}
    kinds = [line.split('"')[3] for line in (tmp_path / "episodes.jsonl").read_text().splitlines()]
    assert kinds[:3] == ["evaluation", "session", "profile"]


def test_a_policy_is_asked_with_what_is_promised(tmp_path):
    class TakingPolicy(CountingPolicy):
        takes_promises = True

    policy = TakingPolicy()
    plan = dataclasses.replace(PLAN, execution=RealTimeChunking(), delay=FixedDelay(2))
    run(tmp_path, dataclasses.replace(plan, task_indices=(0,), episodes_per_task=1), policy=policy)
    assert [request.promise for request in policy.requests[1:]] == [None, *[Promise(4, 2, 2)] * 2]
    with pytest.raises(ValueError, match=r"execution=rtc tells .* CountingPolicy takes no promise"):
        run(tmp_path / "other", plan)

import pytest

from eval_bridge.episode_log import EpisodeId, EpisodeLog, EpisodeRecord, ErrorRecord
from eval_bridge.evaluation import EvaluationPlan, plan_evaluation, run_evaluation
from tests.eval_bridge.evaluation_fakes import CountingBenchmark, CountingPolicy, CountingSimulator

IDENTITY = {
    "suite": "counting_suite",
    "simulator": "counting",
    "decoder": "speculative_greedy",
    "seed": 7,
    "step_limit": 25,
}
PLAN = EvaluationPlan(task_indices=(0, 1), episodes_per_task=3, seed=7, latency_repeats=0)


def run(folder, benchmark, plan=PLAN, policy=None):
    records = []
    with EpisodeLog(folder / "episodes.jsonl", IDENTITY) as log:
        summary = run_evaluation(benchmark, policy or CountingPolicy(), plan, log, records.append)
        return summary, records, log.contents


class CrashingSimulator(CountingSimulator):
    """Crashes in the third step of the first episodes it is asked for, until `crashes` is used up."""

    crashes = 0

    def step(self, action):
        if self.taken == 2 and CrashingSimulator.crashes > 0:
            CrashingSimulator.crashes -= 1
            raise RuntimeError("the driver is gone")
        return super().step(action)


@pytest.fixture
def crash_times():
    def set_crashes(times):
        CrashingSimulator.crashes = times

    yield set_crashes
    CrashingSimulator.crashes = 0


def test_every_planned_episode_runs_once_in_order(tmp_path):
    benchmark = CountingBenchmark()
    summary, records, contents = run(tmp_path, benchmark)
    assert [(record.task_index, record.episode, record.success, record.steps) for record in records] == [
        *((0, 0, True, 10), (0, 1, True, 20), (0, 2, False, 25)),
        *((1, 0, True, 10), (1, 1, True, 20), (1, 2, False, 25)),
    ]
    assert (summary.episodes, summary.successes, summary.planned, summary.errors) == (6, 4, 6, 0)
    assert list(contents.episodes) == list(PLAN.episodes)


def test_one_simulator_a_task_and_all_closed(tmp_path):
    benchmark = CountingBenchmark()
    run(tmp_path, benchmark)
    assert len(benchmark.built) == 2
    assert all(simulator.closed for simulator in benchmark.built)


def test_simulator_is_closed_when_the_evaluation_is_interrupted(tmp_path):
    class InterruptedSimulator(CountingSimulator):
        def step(self, action):
            raise KeyboardInterrupt

    benchmark = CountingBenchmark(InterruptedSimulator)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, benchmark)
    assert benchmark.built[0].closed


def test_restart_goes_on_where_it_stopped(tmp_path):
    run(tmp_path, CountingBenchmark(), EvaluationPlan((0,), 2, seed=7, latency_repeats=0))
    summary, records, contents = run(tmp_path, CountingBenchmark())
    assert [(record.task_index, record.episode) for record in records] == [(0, 2), (1, 0), (1, 1), (1, 2)]
    assert summary.episodes == 6
    assert len(contents.sessions) == 2


def test_finished_evaluation_builds_nothing(tmp_path):
    run(tmp_path, CountingBenchmark())
    benchmark = CountingBenchmark()
    summary, records, _ = run(tmp_path, benchmark)
    assert records == []
    assert benchmark.built == []
    assert summary.episodes == 6


def test_crash_is_logged_and_the_episode_run_again_in_a_fresh_simulator(tmp_path, crash_times):
    crash_times(2)
    benchmark = CountingBenchmark(CrashingSimulator)
    summary, records, contents = run(tmp_path, benchmark)
    assert [type(record) for record in records[:3]] == [ErrorRecord, ErrorRecord, EpisodeRecord]
    assert [error.attempt for error in contents.errors] == [1, 2]
    assert "the driver is gone" in contents.errors[0].error
    assert "in step" in contents.errors[0].traceback
    assert (summary.episodes, summary.successes, summary.errors, summary.crashed_attempts) == (6, 4, 0, 2)
    assert len(benchmark.built) == 4
    assert all(simulator.closed for simulator in benchmark.built)


def test_evaluation_ends_after_the_last_attempt_and_counts_no_failure(tmp_path, crash_times):
    crash_times(10**6)
    summary, records, contents = run(tmp_path, CountingBenchmark(CrashingSimulator))
    assert len(records) == PLAN.max_attempts
    assert contents.episodes == {}
    assert (summary.episodes, summary.errors, summary.success_rate) == (0, 1, None)


def test_crashed_episode_is_tried_again_after_a_restart(tmp_path, crash_times):
    crash_times(PLAN.max_attempts)
    assert run(tmp_path, CountingBenchmark(CrashingSimulator))[0].errors == 1
    summary, _, _ = run(tmp_path, CountingBenchmark(CrashingSimulator))
    assert (summary.episodes, summary.errors, summary.crashed_attempts) == (6, 0, PLAN.max_attempts)


def test_simulator_that_cannot_be_built_is_an_error_too(tmp_path):
    def fail():
        raise RuntimeError("no renderer")

    summary, records, _ = run(tmp_path, CountingBenchmark(fail))
    assert summary.errors == 1
    assert all("no renderer" in record.error for record in records)


def test_crashed_simulator_that_cannot_be_closed_does_not_end_the_evaluation(tmp_path, crash_times):
    class Unclosable(CrashingSimulator):
        def close(self):
            if self.taken == 2:
                raise RuntimeError("cannot close")

    crash_times(1)
    summary, _, _ = run(tmp_path, CountingBenchmark(Unclosable))
    assert (summary.episodes, summary.errors) == (6, 0)


def test_full_disk_is_no_crash_of_an_episode(tmp_path, monkeypatch):
    def full_disk(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("eval_bridge.evaluation.write_episode_video", full_disk)
    plan = EvaluationPlan((0,), 2, seed=7, videos_per_task=1, latency_repeats=0)
    with pytest.raises(OSError, match="No space left"):
        run(tmp_path, CountingBenchmark(), plan)
    assert "No space" not in (tmp_path / "episodes.jsonl").read_text()


def test_first_episodes_of_each_task_are_filmed(tmp_path):
    plan = EvaluationPlan((0, 1), 3, seed=7, videos_per_task=1, video_stride=4, latency_repeats=0)
    _, records, _ = run(tmp_path, CountingBenchmark(), plan)
    names = sorted(path.name for path in (tmp_path / "videos").iterdir())
    assert names == ["task00_episode000_success.mp4", "task01_episode000_success.mp4"]
    assert [record.video for record in records][:2] == ["videos/task00_episode000_success.mp4", None]


def test_latency_is_measured_once(tmp_path):
    plan = EvaluationPlan((0,), 1, seed=7, latency_repeats=3)
    summary, _, contents = run(tmp_path, CountingBenchmark(), plan)
    assert {"chunk", "backbone", "sum_of_stages"} <= set(summary.latency_ms)
    again = CountingBenchmark()
    _, _, unchanged = run(tmp_path, again, plan)
    assert unchanged.latency == contents.latency
    assert again.built == []


def test_no_tasks_means_all_tasks():
    plan = plan_evaluation(CountingBenchmark(), EvaluationPlan((), 2, seed=7))
    assert plan.episodes == (EpisodeId(0, 0), EpisodeId(0, 1), EpisodeId(1, 0), EpisodeId(1, 1))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"task_indices": (0, 2)}, r"tasks=\[2\] do not exist; counting_suite has the tasks 0 to 1"),
        ({"task_indices": (1, 1)}, "twice"),
        ({"episodes_per_task": 5}, "episodes_per_task=5 must lie between 1 and 4"),
        ({"max_attempts": 0}, "max_attempts=0"),
        ({"video_stride": 0}, "video_stride=0"),
    ],
)
def test_impossible_plans_are_refused(values, message):
    plan = EvaluationPlan(**{"task_indices": (0,), "episodes_per_task": 1, "seed": 7} | values)
    with pytest.raises(ValueError, match=message):
        plan_evaluation(CountingBenchmark(), plan)

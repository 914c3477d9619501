import numpy as np
import pytest

from eval_bridge.benchmarks import get_benchmark
from eval_bridge.self_check import CheckResult, SelfCheckFailed
from eval_bridge.simulators.interface import EpisodeStart
from eval_bridge.simulators.point_mass import PointMassSimulator
from eval_bridge.suites import get_suite


def test_libero_has_the_limits_and_tasks_of_its_suite():
    benchmark = get_benchmark("libero", "libero_spatial")
    assert benchmark.step_limit == 220
    assert benchmark.episodes_per_task == 50
    assert benchmark.tasks == get_suite("libero_spatial").tasks


def test_episode_k_starts_from_evaluation_state_k(monkeypatch):
    asked = []

    def starts(suite, task):
        asked.append((suite, task))
        return [EpisodeStart(np.array([float(index)]), {}) for index in range(50)]

    monkeypatch.setattr("eval_bridge.simulators.libero.evaluation_states.evaluation_starts", starts)
    benchmark = get_benchmark("libero", "libero_goal")
    assert [benchmark.start(None, 3, k).state[0] for k in (0, 1, 49)] == [0.0, 1.0, 49.0]
    assert asked == [("libero_goal", 3)]


def test_self_check_covers_exactly_the_tasks_about_to_run(monkeypatch):
    checked = []
    benchmark = get_benchmark("libero", "libero_spatial")
    monkeypatch.setattr(
        "eval_bridge.simulators.libero.evaluation_states.evaluation_starts",
        lambda suite, task: [EpisodeStart(np.array([float(task)]), {})],
    )
    monkeypatch.setattr("eval_bridge.self_check.run_self_check", lambda starts, build: checked.append((starts, build)))
    benchmark.check((2, 5))
    ((starts, build),) = checked
    assert list(starts) == [benchmark.tasks[2], benchmark.tasks[5]]
    assert [start.state[0] for start in starts.values()] == [2.0, 5.0]
    assert build(benchmark.tasks[5]).task == benchmark.tasks[5]


def test_point_mass_starts_are_fixed_and_differ():
    benchmark = get_benchmark("point_mass", "point_mass")
    first, again = benchmark.build(0), benchmark.build(0)
    assert (benchmark.start(first, 0, 3).state == benchmark.start(again, 0, 3).state).all()
    assert (benchmark.start(first, 0, 3).state != benchmark.start(first, 0, 4).state).any()
    first.begin(benchmark.start(first, 0, 3))


def test_development_starts_are_random_resets_and_load_no_evaluation_state(monkeypatch):
    def forbidden(suite, task):
        raise AssertionError("development loaded evaluation states")

    monkeypatch.setattr("eval_bridge.simulators.libero.evaluation_states.evaluation_starts", forbidden)
    benchmark = get_benchmark("libero_development", "libero_spatial")
    monkeypatch.setattr(benchmark, "build", lambda index: PointMassSimulator())
    monkeypatch.setattr("eval_bridge.self_check.run_self_check", lambda starts, build: None)
    benchmark.check((2,))
    simulator = PointMassSimulator()
    starts = [benchmark.start(simulator, task, k).state for task in (2, 3) for k in range(3)]
    assert len(np.unique(starts, axis=0)) == 6


def test_unknown_names_are_refused():
    with pytest.raises(
        ValueError, match="'habitat' does not exist; choose one of libero, libero_development, point_mass"
    ):
        get_benchmark("habitat", "libero_spatial")
    with pytest.raises(ValueError, match="libero_spatial"):
        get_benchmark("libero", "libero_spacial")


@pytest.mark.parametrize(("bad_draws", "refused"), [(0, False), (2, False), (3, True)])
def test_development_is_refused_only_when_no_start_is_quiet(monkeypatch, bad_draws, refused):
    benchmark = get_benchmark("libero_development", "libero_spatial")
    monkeypatch.setattr(benchmark, "build", lambda index: PointMassSimulator())
    seen = []

    def run_self_check(starts, build):
        seen.append(starts)
        if len(seen) <= bad_draws:
            raise SelfCheckFailed([CheckResult("settling", False, "a bowl flies", 0.0)])

    monkeypatch.setattr("eval_bridge.self_check.run_self_check", run_self_check)
    if refused:
        with pytest.raises(SelfCheckFailed, match="a bowl flies"):
            benchmark.check((2,))
    else:
        benchmark.check((2,))
    states = [start.state for starts in seen for start in starts.values()]
    assert len(np.unique(states, axis=0)) == len(states) == min(bad_draws + 1, 3)

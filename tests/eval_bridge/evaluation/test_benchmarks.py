import numpy as np
import pytest

from eval_bridge.evaluation.benchmarks import get_benchmark
from eval_bridge.simulators.check_result import CheckResult
from eval_bridge.simulators.interface import DrawnStart, EpisodeStart
from eval_bridge.simulators.libero.layout.settings import DEVELOPMENT_LAYOUTS
from eval_bridge.simulators.libero.looks.settings import DEVELOPMENT_LOOKS
from eval_bridge.simulators.libero.suites import get_suite
from eval_bridge.simulators.point_mass import PointMassSimulator
from eval_bridge.simulators.start_seeds import FIRST_LAYOUT_SEED, FIRST_LOOKS_SEED


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


@pytest.fixture
def checked_starts(monkeypatch):
    """Start states that the self-check was called with; it fails as often as `bad_draws` says."""
    states = []
    states_to_refuse = []

    def check_simulator(simulator, start, *, with_installation):
        states.append(start.state)
        passed = len(states) > len(states_to_refuse)
        return [CheckResult("settling", passed, "a bowl flies", 0.0)]

    monkeypatch.setattr("eval_bridge.simulators.libero.self_check.check_simulator", check_simulator)
    # Stands for a LIBERO simulator, which would take seconds to build.
    monkeypatch.setattr("eval_bridge.simulators.libero.environment.LiberoSimulator", PointMassSimulator)
    return states, states_to_refuse


@pytest.mark.parametrize(("bad_states", "checked"), [(0, [0]), (1, [0, 1]), (3, [0, 1, 2])])
def test_libero_is_checked_on_evaluation_states_until_one_is_quiet(monkeypatch, checked_starts, bad_states, checked):
    states, to_refuse = checked_starts
    to_refuse += [None] * bad_states
    monkeypatch.setattr(
        "eval_bridge.simulators.libero.evaluation_states.evaluation_starts",
        lambda suite, task: [EpisodeStart(np.array([float(task), k]), {}) for k in range(50)],
    )
    results = get_benchmark("libero", "libero_spatial").check(PointMassSimulator(), 5, with_installation=True)
    assert [state.tolist() for state in states] == [[5.0, k] for k in checked]
    assert results[0].passed == (bad_states < 3)


def test_point_mass_starts_are_fixed_and_differ():
    benchmark = get_benchmark("point_mass", "point_mass")
    first, again = benchmark.build(0), benchmark.build(0)
    assert (benchmark.start(first, 0, 3).state == benchmark.start(again, 0, 3).state).all()
    assert (benchmark.start(first, 0, 3).state != benchmark.start(first, 0, 4).state).any()
    first.begin(benchmark.start(first, 0, 3))


def test_development_starts_are_random_resets_and_load_no_evaluation_state(monkeypatch, checked_starts):
    def forbidden(suite, task):
        raise AssertionError("development loaded evaluation states")

    monkeypatch.setattr("eval_bridge.simulators.libero.evaluation_states.evaluation_starts", forbidden)
    benchmark = get_benchmark("libero_development", "libero_spatial")
    simulator = PointMassSimulator()
    benchmark.check(simulator, 2, with_installation=True)
    starts = [benchmark.start(simulator, task, k).state for task in (2, 3) for k in range(3)]
    assert len(np.unique(starts, axis=0)) == 6


@pytest.mark.libero
def test_starts_in_layouts_have_seeds_of_their_own(libero_simulator, monkeypatch):
    asked = []

    def draw(simulator, seed, settings):
        asked.append(seed)
        assert settings == DEVELOPMENT_LAYOUTS
        return DrawnStart(None if len(asked) < 3 else EpisodeStart(np.array([seed]), {}), {})

    monkeypatch.setattr("eval_bridge.simulators.libero.layout.starting.draw_start_in_layout", draw)
    benchmark = get_benchmark("libero_layouts", "libero_spatial")
    assert benchmark.start(libero_simulator, 2, 7).state[0] == FIRST_LAYOUT_SEED + 5 * 2007 + 2
    assert benchmark.start(libero_simulator, 2, 8).state[0] == FIRST_LAYOUT_SEED + 5 * 2008
    monkeypatch.setattr(
        "eval_bridge.simulators.libero.layout.starting.draw_start_in_layout", lambda *_: DrawnStart(None, {})
    )
    with pytest.raises(RuntimeError, match="5 seeds from 950000000 on gave no layout"):
        benchmark.start(libero_simulator, 0, 0)


@pytest.mark.libero
def test_starts_with_looks_have_seeds_of_their_own(libero_simulator, monkeypatch):
    def add(simulator, start, seed, settings):
        assert settings == DEVELOPMENT_LOOKS
        return start._replace(looks={"seed": seed})

    monkeypatch.setattr("eval_bridge.simulators.libero.looks.drawing.add_looks", add)
    start = get_benchmark("libero_looks", "libero_spatial").start(libero_simulator, 2, 7)
    seed = FIRST_LOOKS_SEED + 2007
    assert start.looks == {"seed": seed}
    np.testing.assert_array_equal(start.state, libero_simulator.draw_start(seed).state)


def test_unknown_names_are_refused():
    with pytest.raises(
        ValueError,
        match="does not exist; choose one of libero, libero_development, libero_layouts, libero_looks, point_mass",
    ):
        get_benchmark("habitat", "libero_spatial")
    with pytest.raises(ValueError, match="libero_spatial"):
        get_benchmark("libero", "libero_spacial")


@pytest.mark.parametrize(("bad_draws", "passes"), [(0, True), (2, True), (3, False)])
def test_development_is_refused_only_when_no_start_is_quiet(checked_starts, bad_draws, passes):
    states, to_refuse = checked_starts
    to_refuse += [None] * bad_draws
    results = get_benchmark("libero_development", "libero_spatial").check(PointMassSimulator(), 2, False)
    assert results[0].passed == passes
    assert len(np.unique(states, axis=0)) == len(states) == min(bad_draws + 1, 3)

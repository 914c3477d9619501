"""LIBERO-PRO's variants evaluate by name."""

import numpy as np
import pytest

from eval_bridge.evaluation.benchmarks import LiberoBenchmark
from eval_bridge.simulators.libero.suites import get_suite, suite_names

VARIANTS = [name for name in suite_names() if get_suite(name).is_variant]
STAY = np.array([0, 0, 0, 0, 0, 0, -1], np.float32)


@pytest.mark.parametrize("suite", VARIANTS)
def test_limits_and_number_of_episodes_are_those_of_the_base(suite):
    variant, base = LiberoBenchmark(suite), LiberoBenchmark(get_suite(suite).base)
    assert (variant.step_limit, variant.episodes_per_task) == (base.step_limit, base.episodes_per_task)
    assert variant.tasks == base.tasks


@pytest.mark.libero
@pytest.mark.parametrize("suite", VARIANTS)
def test_every_evaluation_start_is_there(suite):
    benchmark = LiberoBenchmark(suite)
    for task in range(len(benchmark.tasks)):
        starts = [benchmark.start(None, task, episode) for episode in range(50)]
        assert len({start.state.tobytes() for start in starts}) == 50


@pytest.mark.libero
@pytest.mark.parametrize("suite", [name for name in VARIANTS if name.endswith(("_lan", "_task"))])
def test_reworded_and_changed_tasks_have_instructions_of_their_own(suite):
    from eval_bridge.simulators.libero.task_files import task_instruction

    base = get_suite(suite).base
    same = [task for task in get_suite(suite).tasks if task_instruction(suite, task) == task_instruction(base, task)]
    assert same == []


@pytest.mark.libero
@pytest.mark.parametrize("suite", ["libero_spatial_lan", "libero_object_object", "libero_goal_swap", "libero_10_task"])
def test_an_episode_of_each_kind_of_variant_begins_and_steps(suite):
    benchmark = LiberoBenchmark(suite)
    simulator = benchmark.build(3)
    start = benchmark.start(simulator, 3, 0)
    simulator.begin(start)
    assert simulator.step(STAY) is False
    assert np.isfinite(simulator.state()).all()
    positions = simulator.queries.positions_in(start.state)
    for name, position in simulator.queries.positions_in(simulator.state()).items():
        assert np.abs(position[:2] - positions[name][:2]).max() < 0.1, "things stay about where they were put"
    simulator.close()

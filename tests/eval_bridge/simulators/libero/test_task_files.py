"""Task definitions and instructions agree with the installed LIBERO."""

import pytest

from eval_bridge.simulators.libero.suites import get_suite, suite_names
from eval_bridge.simulators.libero.task_files import initial_states_file, task_definition, task_instruction

pytestmark = pytest.mark.libero


def test_tasks_and_their_order_are_those_of_the_installation():
    task_definition("libero_spatial", 0)
    from libero.libero.benchmark import task_maps

    for suite in suite_names():
        assert list(get_suite(suite).tasks) == list(task_maps[suite])


def test_instructions_of_the_base_suites_are_those_of_the_benchmark():
    from libero.libero.benchmark import task_maps

    for suite in suite_names()[:5]:
        for name, task in task_maps[suite].items():
            assert task_instruction(suite, name) == task.language


@pytest.mark.parametrize("suite", [name for name in suite_names() if name != "libero_90"])
def test_every_suite_has_its_files(suite):
    for task in get_suite(suite).tasks:
        assert task_definition(suite, task).is_file()
        assert initial_states_file(suite, task).is_file()


def test_variants_have_instructions_of_their_own():
    base = task_instruction("libero_goal", "turn_on_the_stove")
    assert base == "turn on the stove"
    assert task_instruction("libero_goal_task", "turn_on_the_stove") != base
    assert task_instruction("libero_goal_lan", "turn_on_the_stove") != base

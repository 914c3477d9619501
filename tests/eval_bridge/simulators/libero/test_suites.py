"""Suites, tasks and what is said about names that do not exist."""

import pytest

from eval_bridge.simulators.libero.suites import (
    UnknownName,
    get_suite,
    instruction_from_name,
    select_tasks,
    suite_names,
)


def test_step_limits_are_those_of_the_published_protocol():
    limits = {name: get_suite(name).max_steps for name in suite_names()[:5]}
    assert limits == {
        "libero_spatial": 220,
        "libero_object": 280,
        "libero_goal": 300,
        "libero_10": 520,
        "libero_90": 400,
    }


def test_suites_have_all_their_tasks_once():
    sizes = {name: len(set(get_suite(name).tasks)) for name in suite_names()}
    assert sizes.pop("libero_90") == 90
    assert set(sizes.values()) == {10}
    assert len(sizes) == 4 + 16


def test_tasks_by_index_and_by_name():
    suite = get_suite("libero_goal")
    assert suite.task_name(7) == "turn_on_the_stove"
    assert suite.task_index("turn_on_the_stove") == 7
    assert select_tasks("libero_goal", [8, "turn_on_the_stove"]) == ["put_the_bowl_on_the_plate", "turn_on_the_stove"]
    assert len(select_tasks("libero_goal")) == 10


def test_variant_keeps_limit_and_tasks_of_its_base():
    variant = get_suite("libero_10_swap")
    assert variant.base == "libero_10"
    assert variant.is_variant
    assert variant.max_steps == 520
    assert not get_suite("libero_10").is_variant


@pytest.mark.parametrize(("wrong", "nearest"), [("libero_spacial", "libero_spatial"), ("libero_goals", "libero_goal")])
def test_unknown_suite_lists_the_valid_names_nearest_first(wrong, nearest):
    with pytest.raises(UnknownName, match=f"suite = '{wrong}'.*nearest first: {nearest},") as error:
        get_suite(wrong)
    assert all(name in str(error.value) for name in suite_names())


def test_unknown_task_lists_the_valid_names_nearest_first():
    with pytest.raises(UnknownName, match="nearest first: put_the_bowl_on_the_plate,"):
        get_suite("libero_goal").task_name("put_bowl_on_plate")


@pytest.mark.parametrize("index", [-1, 10])
def test_index_out_of_range_lists_the_indices(index):
    with pytest.raises(UnknownName, match=r"7 \(turn_on_the_stove\)"):
        get_suite("libero_goal").task_name(index)


@pytest.mark.parametrize("tasks", [[], [0, 0], ["turn_on_the_stove", 7]])
def test_no_task_or_a_task_twice_is_refused(tasks):
    with pytest.raises(ValueError, match="at least one task, and each only once"):
        select_tasks("libero_goal", tasks)


def test_instruction_leaves_out_the_scene():
    task = "LIVING_ROOM_SCENE2_put_both_the_alphabet_soup_and_the_tomato_sauce_in_the_basket"
    assert instruction_from_name(task) == "put both the alphabet soup and the tomato sauce in the basket"
    assert instruction_from_name("turn_on_the_stove") == "turn on the stove"

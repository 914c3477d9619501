import pytest

from rsd_jax.demos.demo import DemoFieldError
from rsd_jax.demos.task_names import TaskName, TaskNaming, instruction_of, suite_in


@pytest.mark.parametrize(
    ("text", "suite"),
    [
        ("libero_spatial", "libero_spatial"),
        ("/data/libero_10_no_noops/KITCHEN_SCENE3_turn_on_demo.hdf5", "libero_10"),
        ("libero_90", "libero_90"),
        ("libero_goal_swap", "libero_goal_swap"),
        ("libero_object_1.0.0_lerobot", "libero_object"),
        ("libero_100", None),
        ("liber_o10", None),
        ("libero", None),
    ],
)
def test_finds_a_suite_in_names_of_files_and_folders(text, suite):
    assert suite_in(text) == suite


@pytest.mark.parametrize(
    ("task", "instruction"),
    [
        ("open_the_drawer", "open the drawer"),
        ("LIVING_ROOM_SCENE2_put_both_in_the_basket", "put both in the basket"),
    ],
)
def test_a_tasks_name_without_its_scene_is_its_instruction(task, instruction):
    assert instruction_of(task) == instruction


def test_a_task_is_named_by_the_source_then_by_the_list_then_by_its_instruction():
    naming = TaskNaming(None, {"turn on": TaskName("libero_10", "KITCHEN_SCENE3_turn_on")})
    assert naming.name("turn on", None, []) == ("libero_10", "KITCHEN_SCENE3_turn_on")
    assert naming.name("turn on", "my_task", ["runs/libero_goal"]) == ("libero_goal", "my_task")
    assert naming.name("turn on", None, ["libero_goal"]) == ("libero_goal", "turn_on")
    assert naming.name("Turn off", None, ["", "libero_goal"]) == ("libero_goal", "turn_off")
    assert TaskNaming("my_suite").name("turn on", None, ["libero_goal"]) == ("my_suite", "turn_on")


def test_a_suite_that_nothing_tells_has_to_be_declared():
    with pytest.raises(DemoFieldError, match=r"suite: is not told for the instruction 'turn on' .*declare the suite"):
        TaskNaming().name("turn on", None, ["datasets"])

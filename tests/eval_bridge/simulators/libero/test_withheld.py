"""The rules of what may not be trained on, on small tables, and on the one that is checked in."""

import re

import numpy as np
import pytest

from eval_bridge.simulators.libero.suite_tasks import SUITE_TASKS
from eval_bridge.simulators.libero.suites import UnknownName, instruction_from_name
from eval_bridge.simulators.libero.withheld import (
    NEAR,
    is_withheld,
    layout_needs,
    nearest_by_variant,
    nearest_withheld,
)
from eval_bridge.simulators.libero.withheld_looks import check_look, check_object_class, withheld_classes
from eval_bridge.simulators.libero.withheld_table import TABLE, Withheld, from_json, load_withheld
from eval_bridge.simulators.libero.withheld_words import check_instruction, plain, shared_words
from rsd_jax.backbones.rewording import rewordings
from rsd_jax.backbones.rewording.withheld import WITHHELD
from rsd_jax.content_check import CHECK, DamagedJsonError, read_checked_json

BASES = ("libero_spatial", "libero_object", "libero_goal", "libero_10")
TASKS = [(suite, task) for suite in BASES for task in SUITE_TASKS[suite]]

SMALL = from_json(
    {
        "reworded": ["drop the bowl on the plate"],
        "other_tasks": {"kitchen": ["put the cup on the plate", "put bowl upon plate"]},
        "classes": ["bowl", "plate", "cup", "stove"],
        "only_variants": ["red_bowl"],
        "looks": {"bowl": {"red_bowl": {"colour": [50.0, 60.0, 40.0]}, "big_bowl": {"scale": 1.5}}},
        "tasks": {
            "libero_goal": {
                "fill": {"scene": "kitchen", "goal": ["bowl_1", "plate_1"], "words": ["fill", "put bowl upon plate"]},
                "boil": {"scene": "kitchen", "goal": ["stove_1"], "words": ["boil"]},
            },
            "libero_90": {"wave": {"scene": None, "goal": [], "words": ["wave"]}},
        },
        "layouts": {
            "kitchen": {
                "libero_goal_lan/fill": {
                    "goal": ["bowl_1", "plate_1"],
                    "places": {
                        # In state k the bowl is at (k / 10, 0, 1) metres; everything else stands still.
                        "bowl_1": [[1000 * k for k in range(50)], 0, 10000],
                        "bowl_2": [90000, 0, 0],
                        "plate_1": [0, 5000, 0],
                        "stove_1": [-70000, 0, 0],
                    },
                },
                "libero_goal_task/fill": {
                    "goal": ["bowl_2", "plate_1"],
                    "places": dict.fromkeys(["bowl_1", "bowl_2", "plate_1", "stove_1"], "libero_goal_lan/fill"),
                },
            }
        },
    }
)


def places(bowl, plate, stove=(7.0, 0.0, 0.0), other_bowl=(50.0, 0.0, 0.0)):
    named = {"bowl_1": bowl, "plate_1": plate, "stove_1": stove, "bowl_2": other_bowl, "cup_1": (0.0, 0.0, 0.0)}
    return {name: np.array(place, np.float64) for name, place in named.items()}


def test_the_thing_that_is_farthest_from_its_place_counts_in_the_nearest_state():
    # Of state 3 the bowl lies 3 cm, the plate 4 cm; of states 2 and 4 the bowl lies 10 cm and more.
    near = nearest_withheld("libero_goal", "fill", places((0.3, 0.03, 1.0), (0.0, 0.54, 0.0)), SMALL)
    assert (near.suite, near.task, near.state) == ("libero_goal_lan", "fill", 3)
    assert near.distance == pytest.approx(0.04)


@pytest.mark.parametrize(
    ("apart", "refused"), [(0.0, True), (0.0499, True), (0.05, True), (0.0502, False), (1.0, False)]
)
def test_within_five_centimetres_of_everything_is_withheld(apart, refused):
    assert is_withheld("libero_goal", "fill", places((0.2, 0.0, 1.0), (apart, 0.5, 0.0)), SMALL) is refused
    assert is_withheld("libero_goal", "fill", places((0.2, apart, 1.0), (0.0, 0.5, 0.0)), SMALL) is refused


def test_distance_is_that_of_the_plane_however_high_a_thing_is_dropped_from():
    layout = places((0.2, 0.03, 0.9), (0.04, 0.53, 0.2))
    near = nearest_withheld("libero_goal", "fill", layout, SMALL)
    assert (near.state, near.distance) == (2, pytest.approx(0.05))


def test_what_no_goal_names_does_not_make_a_layout_another_one():
    layout = places((0.2, 0.0, 1.0), (0.0, 0.5, 0.0))
    assert is_withheld("libero_goal", "fill", {**layout, "cup_1": np.array([9.0, 9.0, 9.0])}, SMALL)


def test_the_own_goal_counts_and_not_those_of_the_variants():
    """The stove where a variant has it: a layout to boil is withheld, one to fill is not, whose things are far."""
    stove = SMALL.layouts["kitchen"][0].places["stove_1"][0]
    far = places((30.0, 0.0, 0.0), (30.0, 0.0, 0.0), stove=tuple(stove))
    assert is_withheld("libero_goal", "boil", far, SMALL)
    assert not is_withheld("libero_goal", "fill", far, SMALL)
    assert layout_needs("libero_goal", "boil", SMALL) == {"stove_1"}


def test_things_of_one_class_stand_for_each_other():
    # The other bowl is where the variant's goal has its own.
    exchanged = places((50.0, 0.0, 0.0), (0.0, 0.5, 0.0), other_bowl=(0.2, 0.0, 1.0))
    near = nearest_by_variant("libero_goal", "fill", exchanged, SMALL)
    assert near["libero_goal_lan"].distance == pytest.approx(0.0)
    assert near["libero_goal_lan"].state == 2
    assert near["libero_goal_task"].distance == pytest.approx(0.0)
    # One thing stands for one other: with both bowls on the same spot only one place is taken.
    both = from_json(
        {
            "reworded": [],
            "other_tasks": {"kitchen": []},
            "classes": [],
            "only_variants": [],
            "looks": {},
            "tasks": {"libero_goal": {"fill": {"scene": "kitchen", "goal": ["bowl_1", "bowl_2"], "words": []}}},
            "layouts": {
                "kitchen": {
                    "libero_goal_lan/fill": {
                        "goal": ["bowl_1", "bowl_2"],
                        "places": {"bowl_1": [0, 0, 0], "bowl_2": [0, 10000, 0]},
                    }
                }
            },
        }
    )
    there = {"bowl_1": np.zeros(3), "bowl_2": np.array([0.0, 3.0, 0.0])}
    assert nearest_withheld("libero_goal", "fill", there, both).distance == pytest.approx(2.0)


def test_a_scene_of_no_variant_is_never_withheld():
    assert nearest_withheld("libero_90", "wave", {}, SMALL) is None
    assert not is_withheld("libero_90", "wave", {}, SMALL)
    assert layout_needs("libero_90", "wave", SMALL) == frozenset()


def test_names_that_are_unknown_or_missing_tell_what_is_known():
    layout = places((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    with pytest.raises(UnknownName, match=r"'libero_goal_lan' does not exist.*: libero_goal"):
        is_withheld("libero_goal_lan", "fill", layout, SMALL)
    with pytest.raises(UnknownName, match=r"task of libero_goal = 'full' does not exist.*: fill, boil"):
        is_withheld("libero_goal", "full", layout, SMALL)
    del layout["plate_1"]
    with pytest.raises(ValueError, match=r"places lack plate_1.*they tell bowl_1, bowl_2, cup_1, stove_1. Add"):
        is_withheld("libero_goal", "fill", layout, SMALL)
    with pytest.raises(ValueError, match=r"plate_1 must have a position, 3 finite numbers, got \[0.0, nan, 0.0\]"):
        is_withheld("libero_goal", "fill", {**layout, "plate_1": np.array([0.0, np.nan, 0.0])}, SMALL)


def test_instructions_are_withheld_by_their_words():
    with pytest.raises(Withheld, match="instruction of a _lan variant"):
        check_instruction("libero_goal", "boil", "Drop the bowl on the plate.", SMALL)
    with pytest.raises(Withheld, match="what a _task variant asks for in the scene of libero_goal/boil"):
        check_instruction("libero_goal", "boil", "put the cup on the plate", SMALL)
    with pytest.raises(Withheld, match="_lan"):
        check_instruction("libero_90", "wave", "drop the bowl on the plate", SMALL)
    check_instruction(
        "libero_90", "wave", "put the cup on the plate", SMALL
    )  # the pair with that scene is not withheld
    check_instruction("libero_goal", "fill", "put bowl upon plate", SMALL)  # the task's own words
    with pytest.raises(Withheld):
        check_instruction("libero_goal", "boil", "put bowl upon plate", SMALL)
    assert shared_words("libero_goal", "fill", "Push the cup!", SMALL) == ["cup", "the"]
    assert shared_words("libero_90", "wave", "Push the cup!", SMALL) == ["the"]


def test_classes_and_looks_are_withheld():
    check_object_class("cup", SMALL)
    with pytest.raises(Withheld, match="_object variant"):
        check_object_class("red_bowl", SMALL)
    with pytest.raises(UnknownName, match="bowl"):
        check_object_class("bowls", SMALL)
    (why,) = withheld_classes(("cup", "red_bowl"), SMALL)
    assert why.startswith("objects of the class 'red_bowl'")
    check_look("bowl", np.array([50.0, 60.0, 55.0]), 1.34, SMALL)  # 15 away, and 10.7 % smaller
    check_look("cup", np.array([50.0, 60.0, 40.0]), 1.5, SMALL)  # the look of another class
    check_look("bowl", table=SMALL)
    with pytest.raises(Withheld, match=r"is 14.9 \(CIE76\) from that of 'red_bowl'; keep 15"):
        check_look("bowl", np.array([50.0, 60.0, 54.9]), table=SMALL)
    for scale in (1.36, 1.5, 1.64):
        with pytest.raises(Withheld, match=r"within 10% of 'big_bowl', which is 1\.5 times"):
            check_look("bowl", scale=scale, table=SMALL)
    with pytest.raises(ValueError, match="scale = 0 must be a positive number"):
        check_look("bowl", scale=0, table=SMALL)
    with pytest.raises(ValueError, match="must be three numbers"):
        check_look("bowl", np.array([50.0, 60.0]), table=SMALL)


# --- the table that is checked in


def test_the_table_is_small_carries_its_check_and_an_altered_one_is_refused(tmp_path):
    assert TABLE.stat().st_size < 700_000
    text = TABLE.read_text()
    assert f'"{CHECK}"' in text
    path = tmp_path / "withheld.json"
    path.write_text(text.replace("switch on the stove", "switch on the light"))
    with pytest.raises(DamagedJsonError, match="altered"):
        read_checked_json(path)


def test_every_variant_task_has_its_states_in_the_table():
    table = load_withheld()
    found = {(layouts.suite, layouts.task) for scene in table.layouts.values() for layouts in scene}
    variants = ("lan", "object", "swap", "task")
    assert found == {(f"{suite}_{variant}", task) for suite, task in TASKS for variant in variants}
    for suite, task in TASKS:
        scene = table.layouts[table.tasks[suite][task].scene]
        assert {layouts.task for layouts in scene} >= {task}
        for layouts in scene:
            assert layouts.goal
            assert {*layouts.goal, *table.tasks[suite][task].goal} <= set(layouts.places)
            assert all(positions.shape == (50, 3) for positions in layouts.places.values())
    assert len({table.tasks["libero_spatial"][task].scene for task in SUITE_TASKS["libero_spatial"]}) == 1
    assert len(table.reworded) == 40
    assert len(table.only_variants) == 18
    assert not table.only_variants & table.classes


@pytest.mark.parametrize("suite", BASES)
def test_the_states_of_a_variant_are_withheld_and_shifted_ones_are_not(suite):
    table = load_withheld()
    for task in SUITE_TASKS[suite]:
        for layouts in table.layouts[table.tasks[suite][task].scene]:
            there = {thing: positions[7] for thing, positions in layouts.places.items()}
            near = nearest_withheld(suite, task, there)
            assert near.distance == 0.0
            assert near.is_withheld
        moved = {thing: place + np.array([0.0, 2.0, 0.0]) for thing, place in there.items()}
        assert not is_withheld(suite, task, moved)
        assert nearest_withheld(suite, task, moved).distance > NEAR


def test_no_task_of_libero_has_withheld_words_of_its_own():
    for suite, tasks in SUITE_TASKS.items():
        for task in tasks:
            check_instruction(suite, task, instruction_from_name(task))


def test_training_knows_the_same_reworded_instructions():
    assert load_withheld().reworded == WITHHELD


@pytest.mark.parametrize("suite", BASES)
def test_no_rewording_that_training_draws_is_withheld(suite):
    for task in SUITE_TASKS[suite]:
        for words in rewordings(instruction_from_name(task), 513, 0):
            assert plain(words) not in load_withheld().reworded, words
            check_instruction(suite, task, words)


def test_collection_reads_the_table_and_not_what_it_was_made_of():
    files = list(TABLE.parent.parent.glob("withheld*.py"))
    assert len(files) == 4
    source = "".join(path.read_text() for path in files)
    assert not re.search(r"evaluation_states|initial_states_file|import_libero|task_definition", source)

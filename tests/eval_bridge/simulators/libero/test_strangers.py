"""Things of other scenes in a task's scene: which ones, how they get into its definition, and where they lie."""

import dataclasses

import numpy as np
import pytest

from eval_bridge.collection.audit import audit_file
from eval_bridge.collection.demo_scene import simulator_of
from eval_bridge.experts.libero_expert import describe_libero_scene
from eval_bridge.simulators.libero.environment import LiberoSimulator
from eval_bridge.simulators.libero.layout.settings import DEVELOPMENT_LAYOUTS, LayoutSettings
from eval_bridge.simulators.libero.layout.starting import draw_start_in_layout
from eval_bridge.simulators.libero.scene_changes import SceneChanges
from eval_bridge.simulators.libero.scene_things import read_things
from eval_bridge.simulators.libero.strangers import (
    FAR_AWAY,
    STRANGERS,
    choose_strangers,
    definition_with_strangers,
    name_of,
    strangers_in,
)
from eval_bridge.simulators.libero.suites import get_suite
from eval_bridge.simulators.libero.task_files import task_definition
from eval_bridge.simulators.libero.withheld_table import load_withheld
from rsd_jax.demos.demo import DemoStart
from rsd_jax.demos.libero_hdf5 import EpisodeDescription, write_episode
from tests.rsd_jax.demos.demo_examples import WITHOUT_FRAMES, example_demo

TASK = get_suite("libero_spatial").tasks[2]
CHOSEN = ("butter", "ketchup")
NAMES = tuple(map(name_of, CHOSEN))
DEFINITION = """(define (problem LIBERO_Tabletop_Manipulation)
  (:regions (plate_region (:target main_table)) (top_side (:target wooden_cabinet_1)))
  (:objects plate_1 - plate)
  (:obj_of_interest plate_1)
  (:init (On plate_1 main_table_plate_region)))"""


def test_a_definition_tells_its_strangers():
    changed = definition_with_strangers(DEFINITION, CHOSEN)
    assert strangers_in(changed) == CHOSEN
    assert strangers_in(DEFINITION) == ()
    assert definition_with_strangers(DEFINITION, ()) == DEFINITION
    assert changed.count("(:objects") == changed.count("(:obj_of_interest") == 1
    assert changed.count("(:target main_table)") == 3


@pytest.mark.parametrize(
    ("definition", "complaint"),
    [
        (DEFINITION.replace("plate", "butter"), "butter_1 is in the task's scene already"),
        (DEFINITION.replace("main_table)", "shelf)"), "no region on a table or the floor"),
        (DEFINITION.replace("(:init", "(:start"), r"no section \(:init"),
    ],
)
def test_a_definition_without_a_place_for_them_is_refused(definition, complaint):
    with pytest.raises(ValueError, match=complaint):
        definition_with_strangers(definition, CHOSEN)


@pytest.mark.libero
@pytest.mark.parametrize("suite", ["libero_spatial", "libero_object", "libero_goal", "libero_10"])
def test_no_stranger_could_be_meant_by_the_words_or_be_taken_for_a_thing_of_the_scene(suite):
    for task in get_suite(suite).tasks:
        strangers = choose_strangers(suite, task, 3, seed=0)
        assert len(set(strangers)) == 3
        words = {word for stranger in strangers for word in stranger.split("_")}
        assert not words & set(task.lower().split("_"))
        assert not words & {word for kind in read_things(suite, task).classes.values() for word in kind.split("_")}


@pytest.mark.libero
def test_strangers_depend_on_the_run_and_the_task_alone():
    drawn = {seed: choose_strangers("libero_spatial", TASK, 3, seed) for seed in range(5)}
    assert drawn[1] == choose_strangers("libero_spatial", TASK, 3, 1)
    assert len(set(drawn.values())) > 2
    with pytest.raises(ValueError, match=r"layout\.strangers=99 must be at most \d+ for pick_up_the_black_bowl"):
        choose_strangers("libero_spatial", TASK, 99, 0)


def test_no_stranger_is_of_variants_alone():
    table = load_withheld()
    assert set(STRANGERS) <= set(table.classes)
    assert not set(STRANGERS) & set(table.only_variants)


@pytest.fixture(scope="module")
def simulator():
    """A task whose scene has two strangers."""
    built = LiberoSimulator("libero_spatial", TASK, SceneChanges(CHOSEN))
    yield built
    built.close()


@pytest.mark.libero
def test_where_no_layout_puts_them_they_lie_still_far_away(simulator):
    own = describe_libero_scene("libero_spatial", TASK, {}, SceneChanges(CHOSEN)).bddl_file_content
    assert strangers_in(own) == CHOSEN
    assert not strangers_in(task_definition("libero_spatial", TASK).read_text())
    start, layout = draw_start_in_layout(simulator, 0, LayoutSettings())
    simulator.begin(start)
    assert layout == {}
    queries = simulator.queries
    assert set(NAMES) < set(queries.object_names)
    for name in NAMES:
        assert queries.speed(name) < 0.01
        position = queries.pose(name).position
        assert abs(position[0] - FAR_AWAY[0]) < 0.05
        assert position[2] < 0.15, "on the floor"


@pytest.mark.libero
def test_a_layout_puts_them_within_reach_or_leaves_them_away(simulator):
    settings = dataclasses.replace(DEVELOPMENT_LAYOUTS, strangers=2, stranger_probability=0.6)
    shown = set()
    for seed in range(4):
        start, layout = draw_start_in_layout(simulator, seed, settings)
        places = simulator.queries.positions_in(start.state)
        for name in NAMES:
            is_near = bool(np.abs(places[name][:2]).max() < 1.0)
            assert is_near == (name in layout["strangers"])
            assert is_near == (name in layout["moved"])
            assert name not in layout["removed"]
        shown |= set(layout["strangers"])
    assert shown == set(NAMES)


@pytest.mark.libero
def test_demonstrations_of_a_scene_with_strangers_are_audited_in_that_scene(simulator, tmp_path):
    from eval_bridge.simulators.libero.evaluation_states import evaluation_starts

    evaluated, start = evaluation_starts("libero_spatial", TASK)[7], simulator.draw_start(0)
    own = LiberoSimulator("libero_spatial", TASK)
    poses = own.queries.poses_in(evaluated.state)
    own.close()
    poses["plate_1"][0] += 0.001
    near = simulator.queries.state_with(start.state, poses)
    demo = example_demo(
        suite="libero_spatial",
        task=TASK,
        states=np.tile(near, (3, 1)),
        start=DemoStart(near, evaluated.fixture_poses, None),
        **WITHOUT_FRAMES,
    )
    path = tmp_path / f"{TASK}_demo.hdf5"
    scene = describe_libero_scene("libero_spatial", TASK, {}, SceneChanges(CHOSEN))
    write_episode(path, demo, scene, EpisodeDescription())
    found = audit_file("libero_spatial", path)
    assert simulator_of(path, "libero_spatial", TASK).changes == SceneChanges(CHOSEN)
    assert found.closest.second == 7
    assert found.closest.objects == pytest.approx(0.001)
    assert found.changes == SceneChanges(CHOSEN)
    refused = SceneChanges(stand_ins={"milk": "orange_juice"}, sizes={"akita_black_bowl": 1.5})
    (why,) = [each for each in found._replace(changes=refused).refusals if "of a scene like a variant's" in each]
    assert "'orange_juice' in the place of 'milk'" in why
    assert "'akita_black_bowl' 1.5 times as large" in why

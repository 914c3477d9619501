"""Other objects of the same kind in the place of a task's own: which ones, how they are told, what is built."""

import itertools
from collections import Counter
from itertools import permutations

import numpy as np
import pytest

from eval_bridge.simulators.libero.environment import LiberoSimulator
from eval_bridge.simulators.libero.scene_changes import UNCHANGED, SceneChanges
from eval_bridge.simulators.libero.scene_things import read_things
from eval_bridge.simulators.libero.stand_ins import KINDS, LOOK_LIKE_VARIANTS, choose_stand_ins, withheld_stand_ins
from eval_bridge.simulators.libero.suites import get_suite
from eval_bridge.simulators.libero.withheld_looks import NEAR_COLOUR, colour_distances
from eval_bridge.simulators.libero.word_stems import stems_of

SUITES = ("libero_spatial", "libero_object", "libero_goal", "libero_10")
SPATIAL = get_suite("libero_spatial").tasks
CHANGES = SceneChanges(stand_ins={"akita_black_bowl": "white_bowl", "cookies": "butter"}, sizes={"cookies": 0.9})
DEFINITION = "(define (problem LIBERO_Tabletop_Manipulation)\n  (:objects plate_1 - plate))"


def drawn(suite, words, seeds=range(30), strangers=(), probability=1.0):
    """What stood in for what, over some runs, in the task of a suite that has these words."""
    (task,) = [name for name in get_suite(suite).tasks if words in name]
    return [choose_stand_ins(suite, task, strangers, probability, seed) for seed in seeds]


def test_a_definition_tells_its_stand_ins():
    changed = CHANGES.written_into(DEFINITION)
    assert SceneChanges.told_by(changed) == CHANGES
    assert SceneChanges.told_by(DEFINITION) == UNCHANGED


def test_words_are_compared_by_their_stems():
    assert stems_of("Next to the cookie box") & stems_of("cookies") == {"cookie"}
    assert stems_of("moka_pot_2") == {"moka", "pot"}


@pytest.mark.libero
def test_what_the_words_tell_from_its_kind_has_no_stand_in():
    assert all(set(found) == {"cookies"} for found in drawn("libero_spatial", "from_table_center"))
    assert not any(drawn("libero_spatial", "next_to_the_cookie_box"))
    bowls = drawn("libero_goal", "put_the_bowl_on_the_stove")
    assert all(found["akita_black_bowl"] == "white_bowl" for found in bowls), "the bowl of these words may be any"
    assert not any("akita_black_bowl" in found for found in drawn("libero_10", "KITCHEN_SCENE4_put_the_black_bowl"))
    assert not any(drawn("libero_10", "SCENE5_put_the_white_mug")), "all mugs are there, and are told by their colours"


@pytest.mark.libero
def test_a_stand_in_is_of_no_class_that_is_there_and_runs_have_others():
    found = drawn("libero_object", "pick_up_the_butter", range(60))
    (task,) = [name for name in get_suite("libero_object").tasks if "pick_up_the_butter" in name]
    there = set(read_things("libero_object", task).classes.values())
    for each in found:
        assert not there & set(each.values())
        assert len(set(each.values())) == len(each)
    assert len(Counter(tuple(sorted(each.items())) for each in found)) == 4
    assert found == drawn("libero_object", "pick_up_the_butter", range(60))
    assert all("cookies" not in each.values() for each in drawn("libero_object", "milk", strangers=("cookies",)))
    often = sum("cookies" in each for each in drawn("libero_spatial", "on_the_stove", range(200), probability=0.3))
    assert 35 < often < 85
    assert not any(drawn("libero_spatial", "on_the_stove", probability=0.0))


def pairs_of_variant(suite, task):
    """What stands in a task's scene, and what ``_object`` has in its place, where these are of one kind."""
    own, other = (
        set(read_things(name, get_suite(name).tasks[task]).classes.values()) for name in (suite, f"{suite}_object")
    )
    alike = itertools.product(own - other, other - own)
    return [pair for pair in alike if any(set(pair) <= set(group) for group in KINDS)]


@pytest.mark.libero
def test_those_that_look_like_a_variants_are_withheld():
    """By their own colours in one scene that has all of a kind of which a variant has one of another colour."""
    groups = [group for group in KINDS if any(colour_distances(kind, np.zeros(3)) for kind in group)]
    kinds = {kind for group in groups for kind in group}
    others = sorted(kinds - {"akita_black_bowl", "cookies"})
    everything = LiberoSimulator("libero_spatial", SPATIAL[2], SceneChanges(tuple(others)))
    everything.begin(everything.draw_start(0))
    colours = {kind: everything.looks.colour(kind) for kind in kinds}
    everything.close()
    near = {
        (kind, other)
        for group in groups
        for kind, other in permutations(group, 2)
        if min(colour_distances(kind, colours[other]).values(), default=NEAR_COLOUR) < NEAR_COLOUR
    }
    same = {pair for suite in SUITES for task in range(10) for pair in pairs_of_variant(suite, task)}
    assert same == {("porcelain_mug", "white_yellow_mug"), ("white_yellow_mug", "red_coffee_mug")}
    assert near | same == LOOK_LIKE_VARIANTS
    assert len(withheld_stand_ins(dict(near | same))) == 5  # one of two for the cream cheese
    assert not withheld_stand_ins(CHANGES.stand_ins)
    assert not CHANGES.withheld
    of_variants = SceneChanges(("yellow_milk",), {"cookies": "green_butter", "milk": "orange_juice"}).withheld
    assert [why.split("'")[1] for why in of_variants] == ["yellow_milk", "green_butter", "orange_juice"]
    assert len(groups) == 5


def vertices(simulator, name):
    """Number of vertices of a thing's visible mesh, and its edges."""
    model = simulator._environment().sim.model._model
    body = model.body(f"{name}_main")
    (mesh,) = {int(model.geom_dataid[geom]) for geom in range(model.ngeom) if model.geom_bodyid[geom] == body.id} - {
        -1
    }
    first, count = int(model.mesh_vertadr[mesh]), int(model.mesh_vertnum[mesh])
    return count, np.ptp(model.mesh_vert[first : first + count], axis=0)


@pytest.mark.libero
def test_the_scene_has_them_under_the_names_of_what_they_stand_for(libero_simulator):
    changed = LiberoSimulator("libero_spatial", SPATIAL[0], CHANGES)
    of_themselves = LiberoSimulator("libero_spatial", SPATIAL[0], SceneChanges(("butter", "white_bowl")))
    for name, original, size in (("akita_black_bowl_2", "white_bowl_1", 1.0), ("cookies_1", "butter_1", 0.9)):
        (count, edges), (own_count, own_edges) = vertices(changed, name), vertices(of_themselves, original)
        assert count == own_count != vertices(libero_simulator, name)[0]
        np.testing.assert_allclose(edges, size * own_edges, rtol=1e-3)
    assert changed.queries.object_names == libero_simulator.queries.object_names
    changed.begin(changed.draw_start(0))
    assert all(changed.queries.speed(name) < 0.05 for name in changed.queries.object_names)
    changed.close()
    of_themselves.close()

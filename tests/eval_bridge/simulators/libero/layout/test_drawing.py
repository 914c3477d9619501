"""What every layout holds, whatever is drawn."""

import dataclasses

import numpy as np
import pytest

from eval_bridge.simulators.libero.layout.drawing import (
    ALONE,
    FREE,
    KEPT,
    TOGETHER,
    Layout,
    Refused,
    draw_layout,
    draw_rule,
)
from eval_bridge.simulators.libero.layout.rules import fault_of
from eval_bridge.simulators.libero.layout.scene import LevelPlace, top_of
from eval_bridge.simulators.libero.layout.settings import LayoutSettings
from tests.eval_bridge.simulators.libero.layout.layout_examples import EVERYTHING, body, example_scene

SEEDS = range(100)


def draw(seed, scene, settings=EVERYTHING):
    generator = np.random.default_rng(seed)
    return draw_layout(generator, scene, settings, draw_rule(generator, scene.roles, settings))


def layouts(scene, settings=EVERYTHING):
    drawn = [draw(seed, scene, settings) for seed in SEEDS]
    return [layout for layout in drawn if not isinstance(layout, Refused)]


@pytest.fixture(scope="module")
def scene():
    return example_scene()


@pytest.fixture(scope="module")
def drawn(scene):
    return layouts(scene)


def test_a_seed_alone_determines_a_layout(scene):
    first, again = (draw(3, scene) for _ in range(2))
    assert repr(first) == repr(again)


def test_every_kind_of_change_and_every_rule_occurs(drawn):
    assert len(drawn) > len(SEEDS) / 3
    assert {layout.rule for layout in drawn} == {KEPT, TOGETHER, ALONE}
    exchanged = {name for layout in drawn for pair in layout.exchanges for name in pair}
    assert {"plate_1", "burner", "stove_1"} <= exchanged
    assert any("plate_1" in layout.arrangement.changed and not layout.exchanges for layout in drawn)
    assert any("pot_1" in layout.arrangement.removed for layout in drawn)
    assert any("stove_1" in layout.arrangement.changed for layout in drawn)
    raised = [at.supports["plate_1"] for _, at, exchanges in drawn if not exchanges]
    assert "stove_1" in raised


def test_rules_are_as_frequent_as_their_weights(scene):
    generator, settings = np.random.default_rng(0), LayoutSettings(kept_weight=2.0, alone_weight=0.0)
    rules = [draw_rule(generator, scene.roles, settings) for _ in range(600)]
    assert rules.count(ALONE) == 0
    assert rules.count(KEPT) == pytest.approx(400, abs=40)
    no_landmark = scene.roles._replace(landmarks=())
    assert draw_rule(generator, no_landmark, LayoutSettings(kept_weight=0.0, alone_weight=0.0)) == KEPT
    assert draw_rule(generator, no_landmark._replace(look_alikes=()), settings) == FREE


def test_layouts_have_no_fault(drawn):
    assert all(fault_of(layout.arrangement, EVERYTHING) is None for layout in drawn)


def test_what_goal_or_words_name_is_never_taken_away(drawn):
    assert not any({"bowl_1", "plate_1", "cookies_1", "stove_1"} & layout.arrangement.removed for layout in drawn)


def test_a_kept_target_stays_with_what_carries_it(drawn):
    kept = [layout.arrangement for layout in drawn if layout.rule == KEPT]
    assert kept
    assert not any({"bowl_1", "cookies_1"} & at.changed for at in kept)


def test_target_and_landmark_move_as_one(drawn):
    moved = [layout.arrangement for layout in drawn if layout.rule == TOGETHER]
    assert moved
    for at in moved:
        between = at.places["bowl_1"].position - at.places["cookies_1"].position
        np.testing.assert_allclose(between, [0.0, 0.0, 0.02], atol=1e-12)
        assert "bowl_1" in at.changed


def test_alone_there_is_no_look_alike(drawn):
    assert all(("bowl_2" in at.removed) for rule, at, _ in drawn if rule == ALONE)


def test_no_look_alike_stands_where_the_words_mean_the_target(drawn):
    with_it = [layout.arrangement for layout in drawn if "bowl_2" in layout.arrangement.changed]
    assert with_it
    for at in with_it:
        assert "cookies_1" not in at.carriers("bowl_2")
        apart = np.linalg.norm(at.footprint("bowl_2").centre - at.footprint("cookies_1").centre)
        assert apart >= EVERYTHING.apart


def test_what_the_goal_needs_free_stays_free():
    for layout in layouts(example_scene(destinations=frozenset({"burner"}))):
        at = layout.arrangement
        assert all(at.supports[name] != "stove_1" for name in at.places)


def test_fixed_bodies_stay_and_grounded_things_stay_down():
    free = example_scene(look_alikes=(), targets=(), landmarks=(), fixed=frozenset({"stove_1"}), grounded=("plate_1",))
    drawn = layouts(free)
    assert {layout.rule for layout in drawn} == {FREE}
    assert not any("stove_1" in layout.arrangement.changed for layout in drawn)
    assert all(layout.arrangement.supports["plate_1"] is None for layout in drawn)
    assert any("plate_1" in layout.arrangement.changed for layout in drawn)


def test_like_things_told_apart_by_side_keep_their_sides():
    sides = example_scene(look_alikes=(), targets=(), landmarks=(), told_apart=("bowl_2", "plate_1"))
    drawn = layouts(sides)
    assert any("plate_1" in layout.arrangement.changed for layout in drawn)
    for layout in drawn:
        places = layout.arrangement.places
        between = places["bowl_2"].position - places["plate_1"].position
        np.testing.assert_allclose(between, [0.0, 0.55, 0.0], atol=1e-12)


def test_a_layout_in_which_nothing_changed_is_none(scene):
    nothing = LayoutSettings(together_weight=0.0, alone_weight=0.0)
    assert draw(0, scene, nothing) == Refused("nothing changed")


def test_strangers_are_put_within_reach_or_stay_away(scene):
    bodies = scene.bodies | {f"stranger_{number}": body(12.0, float(number), 0.03, 0.08) for number in range(2)}
    settings = dataclasses.replace(EVERYTHING, strangers=2, stranger_probability=0.3)
    strange = scene._replace(bodies=bodies, strangers=frozenset({"stranger_0", "stranger_1"}))
    drawn = layouts(strange, settings)
    assert len(drawn) > 0.85 * len(layouts(scene)), "none is refused because a stranger changed places with something"
    shown = [strange.strangers - layout.arrangement.removed for layout in drawn]
    assert 0.1 < np.mean([len(names) / 2 for names in shown]) < 0.5
    for layout, names in zip(drawn, shown, strict=True):
        assert names == strange.strangers & layout.arrangement.changed
        assert not strange.strangers & {name for pair in layout.exchanges for name in pair}
    few = dataclasses.replace(settings, probability=1.0, exchange_probability=0.0, anywhere_probability=0.0)
    few = dataclasses.replace(few, fixture_probability=0.0, removal_probability=0.0, stranger_probability=1e-9)
    assert draw_layout(np.random.default_rng(0), strange, few, KEPT) == Refused("nothing changed")


def test_a_stranger_for_which_there_is_no_room_stays_away(scene):
    large = scene._replace(
        bodies=scene.bodies | {"stranger_0": body(12.0, 0.0, 0.5, 0.1)}, strangers=frozenset({"stranger_0"})
    )
    drawn = layouts(large, dataclasses.replace(EVERYTHING, strangers=1, stranger_probability=1.0))
    assert len(drawn) > 0.85 * len(layouts(scene))
    assert all("stranger_0" in layout.arrangement.removed for layout in drawn)


NOTHING_LOOKS_ALIKE = {"look_alikes": (), "targets": (), "landmarks": ()}
EXCHANGES = LayoutSettings(
    probability=1.0, exchange_probability=1.0, exchange_shift=0.06, largest_turn=30.0, fixture_turn=12.0
)


def exchanged(scene, first, second, settings=EXCHANGES):
    """Layouts in which these two changed places, whichever of them was drawn first."""
    drawn = [draw(seed, scene, settings) for seed in range(500)]
    pairs = ((first, second), (second, first))
    return [
        each.arrangement
        for each in drawn
        if isinstance(each, Layout) and each.exchanges[:1] and each.exchanges[0] in pairs
    ]


def test_what_is_exchanged_stands_about_the_others_place_and_is_turned():
    scene = example_scene(**NOTHING_LOOKS_ALIKE)
    found = exchanged(scene, "plate_1", "pot_1")
    assert len(found) > 20
    for name, other in (("plate_1", "pot_1"), ("pot_1", "plate_1")):
        aside = np.array([at.footprint(name).centre - scene.bodies[other].position[:2] for at in found])
        assert np.abs(aside).max() <= 0.06
        assert (aside.std(axis=0) > 0.02).all()
        assert np.rad2deg(np.ptp([at.places[name].turn for at in found])) > 30


def test_what_takes_a_place_on_a_thing_stands_in_its_middle():
    """It would fall from anywhere else."""
    scene = example_scene(**NOTHING_LOOKS_ALIKE)
    found = exchanged(scene, "bowl_1", "bowl_2")
    assert found
    for at in found:
        np.testing.assert_allclose(at.footprint("bowl_2").centre, [0.0, 0.0], atol=1e-12)
        assert at.supports["bowl_2"] == "cookies_1"
        assert at.supports["bowl_1"] is None


def test_fixtures_that_change_places_face_what_the_other_faced():
    scene = example_scene(**NOTHING_LOOKS_ALIKE, goal=frozenset({"stove_1"}))
    round_ = np.array([0.0, 0.0, 0.0, 1.0])
    cabinet = body(-0.2, -0.2, 0.07, 0.2, is_fixture=True)._replace(quaternion=round_, yaw=np.pi)
    bodies = {**scene.bodies, "cabinet_1": cabinet}
    del bodies["pot_1"]
    scene = scene._replace(bodies=bodies)
    assert (bodies["stove_1"].heading, cabinet.heading) == (0.0, pytest.approx(np.pi))
    found = exchanged(scene, "stove_1", "cabinet_1")
    assert found
    for name, faced in (("stove_1", np.pi), ("cabinet_1", 0.0)):
        facing = np.array([bodies[name].heading + at.places[name].turn for at in found])
        assert np.abs(np.angle(np.exp(1j * (facing - faced)))).max() <= np.deg2rad(12.0) + 1e-9
    of_things = exchanged(scene, "plate_1", "stove_1")
    kept = [abs(np.angle(np.exp(1j * at.places["stove_1"].turn))) < 1.0 for at in of_things]
    assert 0.2 < np.mean(kept) < 0.8, "in a thing's place it faces either way"


def test_a_flat_thing_carries_others_unless_the_task_needs_it():
    scene = example_scene(**NOTHING_LOOKS_ALIKE)
    top = LevelPlace("box_1", np.array([0.1, -0.45, 0.03]), np.array([0.035, 0.05]), 0.0)
    bodies = {**scene.bodies, "box_1": body(0.1, -0.45, 0.05, 0.03)}
    boxed = scene._replace(bodies=bodies, level_places={**scene.level_places, top_of("box_1"): top})
    carried = [layout for layout in layouts(boxed) if layout.arrangement.supports["plate_1"] == "box_1"]
    assert carried, "the plate is larger than the box"
    for layout in carried:
        at = layout.arrangement
        np.testing.assert_allclose(at.footprint("plate_1").centre, at.level_place(top_of("box_1")).centre[:2])
        assert "box_1" not in at.removed
    needed = boxed._replace(roles=boxed.roles._replace(goal=frozenset({"plate_1", "box_1"})))
    assert all(layout.arrangement.supports["plate_1"] != "box_1" for layout in layouts(needed))
    small = boxed._replace(level_places={top_of("box_1"): top._replace(half_size=np.array([0.02, 0.02]))})
    assert all(layout.arrangement.supports["plate_1"] != "box_1" for layout in layouts(small))


def test_a_draw_is_refused_for_what_is_wrong_with_it(scene):
    """A moved fixture in a thing that stays is no lack of room for another one."""
    settings = dataclasses.replace(
        EVERYTHING,
        exchange_probability=0.0,
        fixture_probability=1.0,
        fixture_shift=0.25,
        anywhere_probability=1.0,
        raised_probability=0.0,
    )
    drawn = [draw_layout(np.random.default_rng(seed), scene, settings, KEPT) for seed in SEEDS]
    reasons = {each.reason for each in drawn if isinstance(each, Refused)}
    assert "two things overlap" in reasons
    assert "no room for a thing" not in reasons


def test_things_are_put_to_the_robots_sides_too(scene):
    places = [layout.arrangement.places["plate_1"].position[:2] - scene.ground.foot for layout in layouts(scene)]
    assert min(place[0] for place in places) < EVERYTHING.nearest
    assert min(np.linalg.norm(place) for place in places) >= EVERYTHING.nearest

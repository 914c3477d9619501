"""What moves with what, and what is in whose way."""

import numpy as np
import pytest

from eval_bridge.simulators.libero.layout.arrangement import Arrangement, Rectangle, overlap
from tests.eval_bridge.simulators.libero.layout.layout_examples import example_scene


def test_what_stands_on_a_thing_moves_and_goes_with_it():
    at = Arrangement.of(example_scene())
    moved = at.move("cookies_1", np.array([0.1, 0.2, 0.0]), 0.5)
    np.testing.assert_allclose(moved.places["bowl_1"].position, [0.1, 0.2, 0.02])
    assert moved.places["bowl_1"].turn == 0.5
    assert moved.changed == {"cookies_1", "bowl_1"}
    assert at.remove("cookies_1").removed == {"cookies_1", "bowl_1"}


def test_turning_about_the_common_middle_keeps_distances():
    at = Arrangement.of(example_scene()).move_together(["bowl_2", "plate_1"], np.array([0.0, 0.0]), np.pi / 2)
    np.testing.assert_allclose(at.places["bowl_2"].position, [-0.275, 0.025, 0.0], atol=1e-12)
    np.testing.assert_allclose(at.places["plate_1"].position, [0.275, 0.025, 0.0], atol=1e-12)


def test_a_thing_stands_with_the_middle_of_its_underside_over_its_place():
    scene = example_scene()
    scene.bodies["plate_1"].low[:] = [-0.07, -0.07, -0.01]
    scene.bodies["plate_1"].high[:] = [0.09, 0.07, 0.02]
    at = Arrangement.of(scene).stand("plate_1", np.array([0.2, 0.1, 0.5]), np.pi, "stove_1")
    np.testing.assert_allclose(at.places["plate_1"].position, [0.21, 0.1, 0.51], atol=1e-12)
    np.testing.assert_allclose(at.foot("plate_1"), [0.2, 0.1, 0.5], atol=1e-12)
    assert at.carriers("plate_1") == ["stove_1"]


def test_a_level_place_moves_with_its_fixture():
    at = Arrangement.of(example_scene()).move_together(["stove_1"], np.array([0.1, 0.0]), 0.2)
    place = at.level_place("burner")
    np.testing.assert_allclose(place.centre, [-0.1, 0.1, 0.03], atol=1e-12)
    assert place.yaw == pytest.approx(0.2)


def test_things_collide_unless_one_carries_the_other_or_passes_above():
    at = Arrangement.of(example_scene())
    assert at.collision(0.01) is None, "nothing was moved"
    assert at.move("plate_1", np.array([0.0, 0.19, 0.0]), 0.0).collision(0.01) == ("plate_1", "bowl_2")
    assert at.move("plate_1", np.array([0.0, 0.19, 0.06]), 0.0).collision(0.01) is None
    on_box = at.stand("bowl_2", np.array([0.0, 0.0, 0.022]), 0.0, "cookies_1")
    assert on_box.collision(0.01) == ("bowl_2", "bowl_1"), "the box carries it, the bowl does not"
    together = at.move_together(["cookies_1", "plate_1"], np.array([0.0, 0.01]), 0.0)
    assert together.collision(0.3, ignored=["bowl_2", "pot_1", "stove_1"]) is None, "they moved as one"


def test_rectangles_overlap_where_no_axis_separates_them():
    square = Rectangle(np.zeros(2), np.array([0.1, 0.1]), 0.0)
    turned = Rectangle(np.array([0.23, 0.0]), np.array([0.1, 0.1]), np.pi / 4)
    assert overlap(square, turned, 0.0)
    assert not overlap(square, turned._replace(centre=np.array([0.25, 0.0])), 0.0)
    assert overlap(square, turned._replace(centre=np.array([0.25, 0.0])), 0.02)

import numpy as np
import pytest

from eval_bridge.experts.destination import destination_of
from eval_bridge.experts.goal import Carry
from eval_bridge.experts.scene import Box, Joint, Pose, Region
from tests.eval_bridge.experts.kinematic_scene import BLOCK, PLATE, KinematicScene

SHELF = "shelf"


def _carry(support: str, predicate: str = "on", slot: int = 0, slots: int = 1) -> Carry:
    return Carry(BLOCK, support, (predicate, BLOCK, support), slot, slots)


def _shelf_scene(**shelf) -> KinematicScene:
    scene = KinematicScene(block=(-0.3, 0.0), plate=(0.5, 0.5))
    scene.add_region(SHELF, **{"centre": (0.1, 0.1, 0.0), "half_size": (0.08, 0.05, 0.1), **shelf})
    return scene


def test_the_middle_of_an_object():
    scene = KinematicScene()
    np.testing.assert_array_equal(destination_of(scene, _carry(PLATE)).position, scene.plate)


def test_the_middle_of_a_free_region_on_the_ground():
    place = destination_of(_shelf_scene(), _carry(SHELF), yaw=0.0)
    np.testing.assert_allclose(place.position, [0.1, 0.1, 0.03], atol=1e-9)  # the block is 6 cm high
    assert place.turn == 0.0


def test_beside_what_stands_in_the_region():
    scene = _shelf_scene()
    scene.towers.append(Box(np.array([0.08, 0.05, 0.0]), np.array([0.12, 0.15, 0.05])))
    place = destination_of(scene, _carry(SHELF))
    assert place.position[2] == pytest.approx(0.03)
    assert abs(place.position[0] - 0.1) > 0.03


def test_two_items_share_a_region():
    first, second = (destination_of(_shelf_scene(), _carry(SHELF, slot=slot, slots=2)).position for slot in (0, 1))
    assert np.linalg.norm(second - first) > 0.04  # each is 4 cm wide


def test_the_middle_of_a_slope():
    scene = _shelf_scene()
    slope = np.array([[1.0, 0.0, 0.0], [0.0, 0.8, -0.6], [0.0, 0.6, 0.8]])
    scene.regions[SHELF] = Region(Pose(np.array([0.1, 0.1, 0.2]), slope), np.full(3, 0.05), None, False)
    np.testing.assert_array_equal(destination_of(scene, _carry(SHELF)).position, [0.1, 0.1, 0.2])


def _drawer_scene(*walls: tuple[float, float, float]) -> KinematicScene:
    """A drawer that slides along y around y = 0.1, its edge 6 cm high; walls across it from y to y, and how high."""

    class DrawerScene(KinematicScene):
        def joint(self, name):
            return Joint(-0.15, (-0.16, 0.0), np.array([0.0, 1.0, 0.0]), np.zeros(3), ())

    scene = DrawerScene(block=(-0.3, 0.0), plate=(0.5, 0.5))
    upright = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])  # as LIBERO's: its second axis is
    scene.regions[SHELF] = Region(Pose(np.array([0.1, 0.1, 0.03]), upright), np.array([0.1, 0.03, 0.075]), None, True)
    scene.towers = [Box(np.array([0.0, low, 0.0]), np.array([0.2, high, top])) for low, high, top in walls]
    return scene


def test_into_a_drawer_between_its_front_and_what_hangs_over_its_back():
    scene = _drawer_scene((0.02, 0.03, 0.06), (0.13, 0.2, 0.2))
    place = destination_of(scene, _carry(SHELF, "in"))
    np.testing.assert_allclose(place.position, [0.1, 0.09, 0.03], atol=0.003)  # of 0.1 and 0.08
    assert place.is_tight, "a centimetre farther it would be caught"


@pytest.mark.parametrize(
    "walls", [(), ((0.13, 0.2, 0.2),), ((0.02, 0.03, 0.06),), ((0.09, 0.2, 0.2), (0.0, 0.02, 0.06))]
)
def test_into_the_middle_of_a_drawer_where_nothing_or_everything_hangs_over_it(walls):
    place = destination_of(_drawer_scene(*walls), _carry(SHELF, "in"))
    np.testing.assert_array_equal(place.position, [0.1, 0.1, 0.03])

import numpy as np
import pytest

from eval_bridge.experts.cavity import find_cavity
from tests.eval_bridge.experts.box_scene import ITEM, ROOM, CavityScene, box


def test_finds_the_open_side_and_the_room_behind_it():
    cavity = find_cavity(CavityScene(), ROOM, ITEM)
    np.testing.assert_allclose(cavity.inward, [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(cavity.frame.T @ cavity.frame, np.eye(3), atol=1e-12)
    across, up, outwards = cavity.room.size
    assert across == pytest.approx(0.2, abs=0.012)
    assert up == pytest.approx(0.15, abs=0.012)
    assert outwards == pytest.approx(0.17)
    np.testing.assert_allclose(cavity.frame @ cavity.room.high, [cavity.room.high[0], 0.25, 0.19], atol=0.006)


def test_what_is_open_above_is_no_cavity():
    class Roofless(CavityScene):
        def boxes(self):
            return [each for each in super().boxes() if each.low[2] != 0.19]

    assert find_cavity(Roofless(), ROOM, ITEM) is None


def test_what_is_shut_is_no_cavity():
    scene = CavityScene()
    scene.mouth_is_shut = True
    assert find_cavity(scene, ROOM, ITEM) is None


def test_what_stands_away_from_the_mouth_does_not_close_it():
    class WithOpenDoor(CavityScene):
        def boxes(self):
            return [*super().boxes(), box([-0.14, 0.1, 0], [0.14, 0.12, 0.21])]

    assert find_cavity(WithOpenDoor(), ROOM, ITEM) is not None

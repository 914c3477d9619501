import numpy as np
import pytest

from eval_bridge.simulators.perturbation.camera_pose import (
    PIVOT,
    CameraMove,
    CameraPose,
    CameraShift,
    move_camera,
    shift_camera,
)

HOME = CameraPose(
    np.array([0.6586131746834771, 0.0, 1.6103500240372423]),
    np.array([0.6380177736282349, 0.3048497438430786, 0.30484986305236816, 0.6380177736282349]),
)
"""Of LIBERO's table scenes."""

UNMOVED = CameraMove(0, 0, 100, 0, 0)


@pytest.mark.parametrize(
    ("move", "position", "quaternion"),
    [
        ((17, 15, 100, 0, 0), (0.4078, 0.1247, 1.7532), (0.5656, 0.1842, 0.2489, 0.7643)),
        ((300, 0, 100, 0, 0), (0.3293, -0.5704, 1.6104), (-0.8715, -0.4164, -0.1116, -0.2335)),
        ((0, 0, 175, 0, 0), (1.1525, 0.0, 2.2182), (0.638, 0.3048, 0.3048, 0.638)),
        ((0, 0, 100, 2, 352), (0.6586, 0.0, 1.6104), (-0.6036, -0.3439, -0.3531, -0.6266)),
    ],
)
def test_poses_are_those_of_libero_plus(move, position, quaternion):
    """Computed by its code."""
    pose = move_camera(HOME, CameraMove(*move))
    assert pose.position.tolist() == list(position)
    assert pose.quaternion.tolist() == list(quaternion)


def test_moves_around_keep_the_distance_and_moves_away_the_direction():
    before = HOME.position - PIVOT
    around = move_camera(HOME, UNMOVED._replace(azimuth=40, elevation=15)).position - PIVOT
    assert np.linalg.norm(around) == pytest.approx(np.linalg.norm(before), abs=2e-4)
    away = move_camera(HOME, UNMOVED._replace(distance=150)).position - PIVOT
    np.testing.assert_allclose(away, 1.5 * before, atol=2e-4)
    turned = move_camera(HOME, UNMOVED._replace(turn=10, tilt=350))
    np.testing.assert_allclose(turned.position, HOME.position, atol=1e-4)


def test_the_camera_keeps_looking_at_the_table_when_it_goes_around():
    """Where it looks, seen from the camera, stays: the same turn moves place and direction."""

    def seen_from(pose):
        w, *v = pose.quaternion / np.linalg.norm(pose.quaternion)
        offset, inverse = PIVOT - pose.position, -np.array(v)
        return offset + 2 * np.cross(inverse, np.cross(inverse, offset) + w * offset)

    moved = move_camera(HOME, UNMOVED._replace(azimuth=300, elevation=15))
    np.testing.assert_allclose(seen_from(moved), seen_from(HOME), atol=1e-3)


def test_a_shift_moves_a_camera_and_turns_it_in_place():
    upright = CameraPose(np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0]))
    shifted = shift_camera(upright, CameraShift((0.1, 0.0, -0.2), (0.0, 0.0, 90.0)))
    np.testing.assert_allclose(shifted.position, [0.1, 0.0, -0.2])
    np.testing.assert_allclose(shifted.quaternion, [np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)])
    still = shift_camera(HOME, CameraShift((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)))
    np.testing.assert_allclose(still.position, HOME.position)
    np.testing.assert_allclose(still.quaternion, HOME.quaternion)

"""Distances between episode starts."""

import numpy as np
import pytest

from eval_bridge.simulators.libero.start_distance import (
    NearestPair,
    StartPositions,
    nearest_pair,
    nearest_pair_within,
    positions_of,
)


def starts(*places, arm=None):
    """Starts with two objects, each at (x, 0, 0)."""
    objects = np.zeros((len(places), 2, 3))
    objects[:, :, 0] = places
    return StartPositions(objects, np.zeros((len(places), 7)) if arm is None else np.array(arm))


def test_the_object_that_is_farthest_away_counts():
    demonstrated = starts((0.0, 0.0), (0.5, 0.0), arm=[[0.0] * 7, [0.3] * 7])  # the arms of other pairs are closer
    evaluated = starts((0.0, 0.4), (0.3, 0.1))
    # The pairs' distances are max(0, 0.4), max(0.3, 0.1); max(0.5, 0.4), max(0.2, 0.1).
    pair = nearest_pair(demonstrated, evaluated)
    assert (pair.first, pair.second) == (1, 1)
    assert pair.objects == pytest.approx(0.2)


def test_distance_is_that_of_space():
    one, other = starts((0.0, 0.0)), starts((0.0, 0.0))
    other.objects[0, 1] = [0.2, 0.3, 0.6]
    assert nearest_pair(one, other).objects == pytest.approx(0.7)


def test_between_equally_placed_objects_the_arm_decides():
    arms = np.zeros((2, 7))
    arms[0, 3], arms[1, 5] = 0.05, -0.02
    evaluated = starts((0.0, 0.0), (0.0, 0.0), arm=arms)
    assert nearest_pair(starts((0.0, 0.0)), evaluated) == NearestPair(0, 1, 0.0, 0.02)


def test_a_start_is_not_compared_with_itself():
    pair = nearest_pair_within(starts((0.0, 0.0), (1.0, 0.0), (1.25, 0.0)))
    assert {pair.first, pair.second} == {1, 2}
    assert pair.objects == 0.25


@pytest.mark.libero
def test_positions_are_found_in_a_state_of_the_task(libero_simulator):
    state = libero_simulator.draw_start(4).state
    names = libero_simulator.queries.object_names[::-1]
    positions = positions_of(libero_simulator.queries, [state, state], names)
    assert positions.objects.shape == (2, len(names), 3)
    for name, place in zip(names, positions.objects[1], strict=True):
        np.testing.assert_array_equal(place, libero_simulator.queries.pose(name).position)
    joints = libero_simulator._environment().robots[0]._joint_positions
    np.testing.assert_array_equal(positions.arm[0], joints)

"""Soft resets against those that compile the scene anew, which stay the reference."""

import itertools

import numpy as np
import pytest

from eval_bridge.simulators.libero.environment import build_environment
from eval_bridge.simulators.libero.fixture_poses import load_fixture_poses
from eval_bridge.simulators.libero.hard_resets import hard_reset_starts
from eval_bridge.simulators.libero.reset import draw_start
from eval_bridge.simulators.libero.state_capture import capture_start

pytestmark = pytest.mark.libero


@pytest.fixture(scope="module")
def plain_env():
    """A task whose scene has nothing that is open or switched on."""
    wrapper = build_environment("libero_goal", 0)
    yield wrapper.env
    wrapper.env.close()


@pytest.fixture(scope="module")
def open_drawer_env():
    """A bowl in an open drawer: LIBERO's list of joint samplers grows, and a place depends on where a fixture is."""
    wrapper = build_environment("libero_spatial", 4)
    yield wrapper.env
    wrapper.env.close()


def compiled_starts(env, seed, count):
    """The reference: LIBERO's own hard resets after one seed. The environment is a new one's after the first."""
    env.hard_reset = True
    initializers = list(env.object_property_initializers)
    np.random.seed(seed)  # noqa: NPY002 - the generator that LIBERO draws from
    try:
        starts = []
        for _ in range(count):
            env.reset()
            starts.append(capture_start(env))
        return starts
    finally:
        env.hard_reset = False
        env.object_property_initializers[:] = initializers


def assert_same_start(one, other):
    np.testing.assert_array_equal(one.state, other.state)
    assert set(one.fixture_poses) == set(other.fixture_poses)
    for name, pose in one.fixture_poses.items():
        np.testing.assert_array_equal(pose, other.fixture_poses[name])


@pytest.mark.parametrize(("name", "count"), [("plain_env", 2), ("open_drawer_env", 3)])
def test_hard_resets_are_reproduced_to_the_last_bit(name, count, request):
    """In a row: what grows from reset to reset does so by the same amount each time, or not at all."""
    env = request.getfixturevalue(name)
    soft = list(itertools.islice(hard_reset_starts(env, 3), count))
    for one, other in zip(soft, compiled_starts(env, 3, count), strict=True):
        assert_same_start(one, other)


def test_soft_and_first_hard_reset_of_a_seed_are_the_same_start(plain_env):
    (hard,) = compiled_starts(plain_env, 7, 1)
    assert_same_start(draw_start(plain_env, 7), hard)


def test_where_the_list_grows_the_number_of_resets_matters(open_drawer_env):
    """Why the seed alone is no name for a hard reset, and a soft start is no hard one here."""
    (hard,) = itertools.islice(hard_reset_starts(open_drawer_env, 7), 1)
    assert (draw_start(open_drawer_env, 7).state != hard.state).any()


def test_nothing_outlasts_a_reset(open_drawer_env):
    initializers = list(open_drawer_env.object_property_initializers)
    assert len(initializers) == 1
    np.random.seed(11)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(11)  # noqa: NPY002
    starts = hard_reset_starts(open_drawer_env, 3)
    first, _ = next(starts), draw_start(open_drawer_env, 5)
    assert np.random.random() == expected  # noqa: NPY002
    assert open_drawer_env.object_property_initializers == initializers
    second = next(starts)  # goes on where it was, whatever happened in between
    fresh = hard_reset_starts(open_drawer_env, 3)
    assert_same_start(next(fresh), first)
    assert_same_start(next(fresh), second)


def test_stored_poses_are_those_of_the_resets(open_drawer_env):
    """Fixture poses do not depend on the arm's noise: seven deviates are drawn with and without it."""
    starts = itertools.islice(hard_reset_starts(open_drawer_env, 0), 50)
    for start, poses in zip(starts, load_fixture_poses("libero_spatial", 4), strict=True):
        assert set(start.fixture_poses) == set(poses) != set()
        for name, pose in poses.items():
            np.testing.assert_array_equal(start.fixture_poses[name], pose)

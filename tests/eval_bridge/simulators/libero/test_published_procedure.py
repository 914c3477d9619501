"""An episode here equals one of OpenVLA-OFT's loop: its recompiling reset, initial state and camera observables."""

from types import SimpleNamespace

import numpy as np
import pytest

from eval_bridge.simulators.libero.environment import build_environment
from eval_bridge.simulators.libero.evaluation_states import evaluation_starts
from eval_bridge.simulators.libero.state_capture import fixture_poses, flat_state

ACTIONS = np.random.default_rng(4).uniform(-1, 1, (2, 7)).astype(np.float32)


@pytest.fixture(scope="module")
def published():
    """Episode 0 of the loop: observations after settling and after the actions, states after each action."""
    wrapper = build_environment(
        "libero_spatial",
        0,
        hard_reset=True,
        initialization_noise=None,
        has_offscreen_renderer=True,
        use_camera_obs=True,
        camera_heights=256,
        camera_widths=256,
        ignore_done=False,
    )
    wrapper.seed(0)
    wrapper.reset()
    poses = fixture_poses(wrapper.env)
    wrapper.set_init_state(evaluation_starts("libero_spatial", 0)[0].state)
    for _ in range(10):
        settled, _, _, _ = wrapper.step([0, 0, 0, 0, 0, 0, -1])
    states = []
    for action in ACTIONS:
        acted, _, _, _ = wrapper.step(action.tolist())
        states.append(flat_state(wrapper.env))
    wrapper.close()
    return SimpleNamespace(poses=poses, settled=settled, acted=acted, states=np.array(states))


@pytest.fixture(scope="module")
def here(libero_simulator):
    """The same episode through the simulator of this project."""
    libero_simulator.begin(evaluation_starts("libero_spatial", 0)[0])
    settled, states = libero_simulator.observe(), []
    for action in ACTIONS:
        libero_simulator.step(action)
        states.append(libero_simulator.state())
    return SimpleNamespace(settled=settled, acted=libero_simulator.observe(), states=np.array(states))


@pytest.mark.libero
def test_fixture_poses_are_those_of_the_loop(published):
    stored = evaluation_starts("libero_spatial", 0)[0].fixture_poses
    assert set(stored) == set(published.poses)
    for name, pose in published.poses.items():
        np.testing.assert_array_equal(stored[name], pose)


@pytest.mark.libero
def test_states_are_bit_identical(published, here):
    np.testing.assert_array_equal(here.states, published.states)


@pytest.mark.libero
@pytest.mark.parametrize("moment", ["settled", "acted"])
def test_observations_are_bit_identical(published, here, moment):
    theirs, ours = getattr(published, moment), getattr(here, moment)
    np.testing.assert_array_equal(ours.agentview, theirs["agentview_image"])
    np.testing.assert_array_equal(ours.wrist, theirs["robot0_eye_in_hand_image"])
    np.testing.assert_array_equal(ours.proprio[:3], theirs["robot0_eef_pos"].astype(np.float32))
    np.testing.assert_array_equal(ours.proprio[6:], theirs["robot0_gripper_qpos"].astype(np.float32))
    x, y, z, w = theirs["robot0_eef_quat"]
    angle = 2 * np.arccos(w)
    np.testing.assert_allclose(ours.proprio[3:6], np.array([x, y, z]) / np.sin(angle / 2) * angle, rtol=1e-5)

"""The point mass behaves as a simulator must, and can be solved."""

import numpy as np
import pytest

from eval_bridge.simulators.interface import EpisodeStart
from eval_bridge.simulators.point_mass import MAX_STEPS, PointMassSimulator, towards_ball


@pytest.mark.parametrize("seed", range(20))
def test_controller_solves_it_in_time(seed):
    simulator = PointMassSimulator()
    simulator.begin(simulator.draw_start(seed))
    assert any(simulator.step(towards_ball(simulator)) for _ in range(MAX_STEPS))


def test_doing_nothing_or_closing_elsewhere_does_not_solve_it():
    simulator = PointMassSimulator()
    simulator.begin(simulator.draw_start(3))
    closing = np.array([0, 0, 0, 0, 0, 0, 1], np.float32)
    assert not any(simulator.step(closing) for _ in range(MAX_STEPS))


def test_start_and_actions_determine_the_states():
    actions = np.random.default_rng(0).uniform(-1, 1, (15, 7)).astype(np.float32)
    used, fresh = PointMassSimulator(), PointMassSimulator()
    start = used.draw_start(7)
    for action in actions:
        used.step(action)
        used.observe()
    used.begin(start)
    fresh.begin(fresh.draw_start(7))
    for action in actions:
        used.step(action)
        fresh.step(action)
        np.testing.assert_array_equal(used.state(), fresh.state())


def test_gripper_opens_at_minus_one_and_closes_at_plus_one():
    simulator = PointMassSimulator()
    for _ in range(4):
        simulator.step(np.array([0, 0, 0, 0, 0, 0, 1], np.float32))
    assert simulator.proprio()[6] == 0.0
    simulator.step(np.array([0, 0, 0, 0, 0, 0, -1], np.float32))
    assert simulator.proprio()[6] == pytest.approx(0.01)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_frames_show_where_the_ball_is(axis):
    """A policy can only learn from frames that differ when the ball's place does."""
    simulator = PointMassSimulator()
    start = simulator.draw_start(1)
    simulator.begin(start)
    before = simulator.observe()
    moved = start.state.copy()
    moved[11 + axis] += 0.05
    simulator.begin(EpisodeStart(moved, {}))
    after = simulator.observe()
    assert before.agentview.shape == before.wrist.shape == (256, 256, 3)
    assert before.agentview.dtype == np.uint8
    assert (before.agentview != after.agentview).any() or (before.wrist != after.wrist).any()
    np.testing.assert_array_equal(before.proprio, after.proprio)


def test_frames_are_upside_down_as_liberos():
    """The floor is at the top of a frame as rendered, and a higher gripper is farther down."""
    simulator = PointMassSimulator()
    frame = simulator.render("agentview")
    np.testing.assert_array_equal(frame[0, 128], (160, 150, 140))
    np.testing.assert_array_equal(frame[-1, 128], (200, 200, 205))


@pytest.mark.parametrize("action", [np.zeros(6), np.full(7, np.nan), np.zeros((8, 7))])
def test_bad_action_is_refused(action):
    with pytest.raises(ValueError, match="7 finite numbers"):
        PointMassSimulator().step(action)


def test_unknown_camera_and_foreign_start_are_refused():
    simulator = PointMassSimulator()
    with pytest.raises(ValueError, match="agentview, wrist"):
        simulator.render("frontview")
    with pytest.raises(ValueError, match=r"\[14\]"):
        simulator.begin(EpisodeStart(np.zeros(92), {}))

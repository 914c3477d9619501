"""What a case changes of an episode, and what stays to the last bit."""

import numpy as np
import pytest

from eval_bridge.simulators.perturbation.cases import Case, EpisodePerturbation
from eval_bridge.simulators.perturbation.perturbed_simulator import perturbed
from eval_bridge.simulators.perturbation.robot_posture import posture
from eval_bridge.simulators.point_mass import PointMassSimulator
from tests.eval_bridge.evaluation.evaluation_fakes import CountingSimulator

ACTION = np.array([0.3, -0.2, 0.1, 0.0, 0.0, 0.0, -1.0], np.float32)


def perturbation(kind, values, seeds=(7, 0, 0)):
    return EpisodePerturbation(Case(kind, values, 1), seeds)


def noisy_point_mass(seeds=(7, 0, 0)):
    simulator = perturbed(PointMassSimulator(), perturbation("noise", "5", seeds))
    simulator.begin(simulator.draw_start(0))
    return simulator


def test_nothing_is_put_around_an_episode_that_is_not_perturbed():
    simulator = PointMassSimulator()
    assert perturbed(simulator, None) is simulator


def test_noise_lies_on_the_third_person_frame_alone():
    plain = PointMassSimulator()
    plain.begin(plain.draw_start(0))
    seen, noisy = plain.observe(), noisy_point_mass().observe()
    assert (noisy.agentview != seen.agentview).any()
    np.testing.assert_array_equal(noisy.wrist, seen.wrist)
    np.testing.assert_array_equal(noisy.proprio, seen.proprio)
    assert noisy.instruction == seen.instruction


def test_noise_follows_from_episode_and_step_whoever_looks():
    """Videos render more frames than policies ask for."""
    first, second = noisy_point_mass(), noisy_point_mass()
    for _ in range(3):
        first.render("agentview")
        first.step(ACTION)
        second.step(ACTION)
    np.testing.assert_array_equal(first.observe().agentview, second.observe().agentview)
    np.testing.assert_array_equal(first.render("agentview"), second.observe().agentview)
    third = noisy_point_mass(seeds=(7, 0, 1))
    start = noisy_point_mass().observe().agentview
    assert (third.observe().agentview != start).any()
    first.begin(first.draw_start(0))
    np.testing.assert_array_equal(first.observe().agentview, start)


def test_noise_of_a_step_differs_from_that_of_the_next():
    simulator = perturbed(CountingSimulator(), perturbation("noise", "33"))
    simulator.begin(simulator.draw_start(90))
    for _ in range(60):  # from here on the frame stays
        simulator.step(ACTION)
    before = simulator.observe().agentview
    simulator.step(ACTION)
    assert (simulator.observe().agentview != before).any()


@pytest.mark.parametrize("kind", ["camera", "robot_start"])
def test_only_libero_has_a_camera_and_an_arm(kind):
    with pytest.raises(ValueError, match=f"perturbation {kind} moves camera or robot of a LIBERO scene"):
        perturbed(PointMassSimulator(), perturbation(kind, "17_0_100_0_0"))


def trajectory(simulator):
    frames = [simulator.observe().agentview]
    for _ in range(3):
        simulator.step(ACTION)
    return frames[0], simulator.observe().agentview


@pytest.mark.libero
def test_a_camera_that_moves_changes_the_frame_alone_and_is_back_afterwards(libero_simulator):
    start = libero_simulator.draw_start(5)
    libero_simulator.begin(start)
    before, state = libero_simulator.observe(), libero_simulator.state()
    after = trajectory(libero_simulator), libero_simulator.state()
    moved = perturbed(libero_simulator, perturbation("camera", "30_15_100_0_0"))
    moved.begin(start)
    seen = moved.observe()
    assert np.abs(seen.agentview.astype(int) - before.agentview).mean() > 10
    np.testing.assert_array_equal(seen.wrist, before.wrist)
    np.testing.assert_array_equal(libero_simulator.state(), state)
    np.testing.assert_array_equal(moved.render("agentview"), seen.agentview)
    libero_simulator.begin(start)
    again = trajectory(libero_simulator), libero_simulator.state()
    for first, second in zip([*after[0], after[1]], [*again[0], again[1]], strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.libero
def test_the_camera_is_where_libero_plus_puts_it(libero_simulator):
    libero_simulator.begin(libero_simulator.draw_start(5))
    model = libero_simulator._environment().sim.model
    index = model.camera_name2id("agentview")
    home = model.cam_pos[index].copy(), model.cam_quat[index].copy()
    moved = perturbed(libero_simulator, perturbation("camera", "0_0_150_0_0"))
    moved.begin(moved.draw_start(5))
    assert model.cam_pos[index].tolist() == [0.9879, 0.0, 2.0156]
    np.testing.assert_allclose(model.cam_quat[index], home[1], atol=1e-4)
    assert np.linalg.norm(model.cam_quat[index]) == pytest.approx(1.0, abs=1e-12)
    libero_simulator.begin(libero_simulator.draw_start(5))
    for first, second in zip((model.cam_pos[index], model.cam_quat[index]), home, strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.libero
def test_hand_and_elbow_turn_to_the_posture_while_things_settle(libero_simulator):
    """The state puts the joints back, as in LIBERO-Plus: the hand stays about where it is, and turns."""
    start = libero_simulator.draw_start(5)
    libero_simulator.begin(start)
    before, state = libero_simulator.proprio(), libero_simulator.state()
    moved = perturbed(libero_simulator, perturbation("robot_start", "480"))
    moved.begin(start)
    after = moved.proprio()
    assert 0.005 < np.linalg.norm(after[:3] - before[:3]) < 0.08
    assert np.linalg.norm(after[3:6] - before[3:6]) > 0.2
    joints = libero_simulator.state()[1:8]
    wanted = posture(480)
    assert np.linalg.norm(joints - wanted) < np.linalg.norm(state[1:8] - wanted)
    again = libero_simulator.draw_start(5)  # a random reset begins at home
    np.testing.assert_array_equal(again.state, start.state)
    libero_simulator.begin(again)
    np.testing.assert_array_equal(libero_simulator.state(), state)

"""Steps here are those of LIBERO's own environment."""

import numpy as np
import pytest

from eval_bridge.simulators.libero.stepping import Stepper, UnknownEnvironment

STEPS = 24


def actions():
    """Down onto the table and across, the gripper opening and closing."""
    generator = np.random.default_rng(3)
    drift = np.cumsum(generator.normal(size=(STEPS, 7)) * 0.3, axis=0)
    drift += np.array([0.1, 0.0, -0.8, 0.0, 0.0, 0.0, 0.0])
    drift[:, 6] = np.sign(np.sin(np.arange(STEPS) / 4))
    return np.clip(drift, -1, 1)


def run(simulator, step):
    """What every step leaves behind."""
    env = simulator._environment()
    robot = env.robots[0]
    simulator.begin(simulator.draw_start(5))
    seen = []
    for action in actions():
        solved = step(action)
        data = env.sim.data
        seen.append(
            {
                "state": simulator.state(),
                "warm start": np.array(data.qacc_warmstart),
                "contacts": np.array(data.ncon),
                "places": np.array(data.xpos),
                "torques": robot.controller.torques.copy(),
                "gripper": np.array(robot.gripper.current_action),
                "observed": simulator.proprio(),
                "clocks": np.array([each._time_since_last_sample for each in env._observables.values()]),
                "time": np.array([env.cur_time, env.timestep]),
                "solved": np.array(solved),
            }
        )
    return seen


@pytest.mark.libero
def test_every_step_leaves_the_same_bits_as_the_environments_own(libero_simulator):
    env = libero_simulator._environment()
    own = run(libero_simulator, lambda action: env.step(action)[2])
    here = run(libero_simulator, Stepper(env).step)
    assert len({int(each["contacts"]) for each in own}) > 1, "the arm should have met something"
    for step, (expected, found) in enumerate(zip(own, here, strict=True)):
        for name in expected:
            if name == "time":  # goes on from one run to the next
                continue
            np.testing.assert_array_equal(found[name], expected[name], err_msg=f"{name} after step {step}")
    assert np.ptp([here[-1]["time"][0] - here[0]["time"][0], own[-1]["time"][0] - own[0]["time"][0]]) < 1e-9


@pytest.mark.libero
def test_an_environment_that_steps_otherwise_is_refused(libero_simulator, monkeypatch):
    env = libero_simulator._environment()
    libero_simulator.begin(libero_simulator.draw_start(5))
    stepper, action = Stepper(env), actions()[0]
    observable = next(iter(env._observables.values()))
    monkeypatch.setattr(observable, "_time_since_last_sample", 0.013)
    with pytest.raises(UnknownEnvironment, match="sampled at different times"):
        stepper.step(action)
    monkeypatch.setattr(env.robots[0], "controller", object())
    with pytest.raises(UnknownEnvironment, match="the controller is a object"):
        stepper.step(action)
    monkeypatch.setattr(env, "viewer_get_obs", True)
    with pytest.raises(UnknownEnvironment, match="has a viewer"):
        Stepper(env)

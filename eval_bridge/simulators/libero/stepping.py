"""A control step of LIBERO's environment to the last bit, in half its time.

Of one control step robosuite simulates 25 of 2 ms, and computes each three times over: forward dynamics before the
controller, again by the controller, and once more inside of MuJoCo's step, always of the same state. What these leave
behind is one thing, the constraint solver's warm start: solved once, the next solution begins there and ends a bit
elsewhere. So here positions, contacts and velocities are computed once, the solver runs as often as it did, and the
second half of MuJoCo's step follows. The rest of the time went into Python: indices looked up by name, limits put
together anew, and observables asked 25 times whether it is their time. The controller's own arithmetic is robosuite's.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

ARM = slice(0, 6)
GRIPPER = slice(6, 7)


class UnknownEnvironment(RuntimeError):
    """The installed robosuite or LIBERO steps in another way than the one that is reproduced here."""


class _Indices(NamedTuple):
    """Of the robot in the compiled model, and the ranges of its actuators."""

    site: int
    arm: list[int]
    torques: tuple[NDArray[np.float64], NDArray[np.float64]]
    gripper: list[int]
    bias: NDArray[np.float64]
    weight: NDArray[np.float64]


class Stepper:
    """Steps one environment. What it relies on is checked when it is made, and before every step what may change."""

    def __init__(self, env: Any) -> None:
        """Takes LIBERO's environment, without a wrapper.

        Raises:
            UnknownEnvironment: it has another robot or controller, or another way of stepping.
        """
        self._env = env
        (self._robot,) = env.robots
        _require(type(self._robot).__name__ == "SingleArm", f"the robot is a {type(self._robot).__name__}")
        _require(env.action_dim == 7, f"actions have {env.action_dim} numbers")
        _require(env.viewer is None and not env.viewer_get_obs, "the environment has a viewer")
        self._substeps = int(env.control_timestep / env.model_timestep)
        self._indices = self._look_up()

    def step(self, action: NDArray[np.float64]) -> bool:
        """Executes an action ``[7]``; returns whether the goal holds.

        Raises:
            UnknownEnvironment: the controller is another one than LIBERO's, or an observable has a rate of its own.
        """
        import mujoco

        env, robot, indices = self._env, self._robot, self._indices
        controller = robot.controller  # a new one after every reset
        _check_controller(controller)
        model, data = env.sim.model._model, env.sim.data._data
        state, observables = _State(data, model.nv), _Observables(env)
        env.timestep += 1
        for substep in range(self._substeps):
            mujoco.mj_forward(model, data)
            if controller.new_update:
                mujoco.mj_fwdConstraint(model, data)
                mujoco.mj_jacSite(model, data, state.translation, state.rotation, indices.site)
                mujoco.mj_fullM(model, state.mass, state.packed_mass)
                _update(controller, state, indices.site)
            if substep == 0:
                controller.set_goal(action[ARM])
            robot.torques = np.clip(controller.run_controller(), *indices.torques)
            gripped = robot.gripper.format_action(action[GRIPPER])  # moves by a bounded amount each time
            state.commands[indices.gripper] = indices.bias + indices.weight * gripped
            state.commands[indices.arm] = robot.torques
            mujoco.mj_step2(model, data)
            observables.pass_time()
        observables.store()
        env.cur_time += env.control_timestep
        env._check_success()  # which also switches what shows whether it is on
        env._post_process()
        return bool(env._check_success())

    def _look_up(self) -> _Indices:
        model, robot = self._env.sim.model, self._robot
        gripper = [model.actuator_name2id(actuator) for actuator in robot.gripper.actuators]
        ranges = model.actuator_ctrlrange[gripper]
        return _Indices(
            site=model.site_name2id(robot.controller.eef_name),
            arm=robot._ref_joint_actuator_indexes,
            torques=robot.torque_limits,
            gripper=gripper,
            bias=0.5 * (ranges[:, 1] + ranges[:, 0]),
            weight=0.5 * (ranges[:, 1] - ranges[:, 0]),
        )


class _State:
    """The simulation's arrays that a controller reads and writes, and room for those that are computed for it."""

    def __init__(self, data: Any, size: int) -> None:
        self.positions, self.velocities, self.commands = data.qpos, data.qvel, data.ctrl
        self.site_positions, self.site_rotations, self.packed_mass = data.site_xpos, data.site_xmat, data.qM
        self.translation, self.rotation, self.mass = np.zeros((3, size)), np.zeros((3, size)), np.zeros((size, size))


def _update(controller: Any, state: _State, site: int) -> None:
    """As `Controller.update` does it, and in arrays laid out alike: products depend on that in the last bit."""
    moving = controller.qvel_index
    controller.ee_pos = np.array(state.site_positions[site])
    controller.ee_ori_mat = np.array(state.site_rotations[site].reshape([3, 3]))
    controller.ee_pos_vel = np.dot(state.translation, state.velocities)
    controller.ee_ori_vel = np.dot(state.rotation, state.velocities)
    controller.joint_pos = state.positions[controller.qpos_index]
    controller.joint_vel = state.velocities[moving]
    controller.J_pos = np.array(state.translation[:, moving])
    controller.J_ori = np.array(state.rotation[:, moving])
    controller.J_full = np.concatenate([controller.J_pos, controller.J_ori])
    controller.mass_matrix = state.mass[moving, :][:, moving]
    controller.new_update = False


class _Observables:
    """When the environment's observables are sampled: all at once, since all have the control rate and no delay."""

    def __init__(self, env: Any) -> None:
        self._env, self._step = env, env.model_timestep
        self._all = [each for each in env._observables.values() if each._enabled]
        clocks = {
            (each._time_since_last_sample, each._sampled, each._sampling_timestep, each._current_delay)
            for each in self._all
        }
        _require(len(clocks) == 1, "observables are sampled at different times")
        ((self._time, self._sampled, self._period, self._delay),) = clocks
        _require(self._delay == 0.0, f"observables are delayed by {self._delay} s")

    def pass_time(self) -> None:
        """One substep, as `Observable.update` counts it."""
        if not self._sampled and self._period >= self._time + self._step:
            self.store()
            self._env._update_observables()
            first = self._all[0]
            self._time, self._sampled = first._time_since_last_sample, first._sampled
            return
        self._time += self._step
        if self._time >= self._period:
            _require(self._sampled, "observables were not sampled within their period")
            self._time %= self._period
            self._sampled = False

    def store(self) -> None:
        """Tells the observables what their clocks show."""
        for each in self._all:
            each._time_since_last_sample, each._sampled = self._time, self._sampled


def _check_controller(controller: Any) -> None:
    """That its `update` is the one that is done here."""
    from robosuite.controllers.base_controller import Controller

    kind = type(controller)
    _require(kind.__name__ == "OperationalSpaceController", f"the controller is a {kind.__name__}")
    _require(kind.update is Controller.update, f"{kind.__name__} updates itself in a way of its own")


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise UnknownEnvironment(f"{otherwise}; steps are reproduced of robosuite 1.4.0 and LIBERO 0.1 alone")

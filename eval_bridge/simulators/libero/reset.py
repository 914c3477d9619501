"""Starts episodes reproducibly, without recompiling the model.

A state of the simulation is not all that an episode depends on. LIBERO also keeps: fixture poses in the compiled
model; the goals and initial joints of the operational-space controller, which a reset takes from the robot's home
pose; the gripper's last command, which moves by a bounded amount per step; and the solver's warm start. `begin` puts
each of them where LIBERO's own procedure (a recompiling reset, then the initial state) puts it, except the warm start:
that procedure leaves the one of a random scene that was thrown away, `begin` takes zero. Settled states are equal to
the last bit in most episodes, and to 1e-13 in the others.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval_bridge.simulators.interface import EpisodeStart
from eval_bridge.simulators.libero.state_capture import capture_start
from eval_bridge.simulators.libero.suites import SETTLE_STEPS

OPEN_AND_STILL = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0])
"""The action of the settle steps: no motion, gripper open."""

_MAX_PLACEMENT_ATTEMPTS = 100


def compiled_fixture_poses(env: Any) -> dict[str, NDArray[np.float64]]:
    """Poses of the fixtures as the model's XML states them, before any reset moved them, ``float64 [7]`` each."""
    bodies = {body.get("name"): body for body in env.model.worldbody.iter("body")}
    poses = {}
    for name, fixture in env.fixtures_dict.items():
        body = bodies[fixture.root_body]
        numbers = f"{body.get('pos', '0 0 0')} {body.get('quat', '1 0 0 0')}".split()
        poses[name] = np.array(numbers, np.float64)
    return poses


def place_fixtures(env: Any, poses: dict[str, NDArray[np.float64]]) -> None:
    """Writes fixture poses (``[7]`` each, quaternion w first) into the model.

    Raises:
        ValueError: the names are not those of the task's fixtures, or a pose has another shape.
    """
    if set(poses) != set(env.fixtures_dict):
        raise ValueError(
            f"fixture_poses has {sorted(poses)}, but the task has the fixtures {sorted(env.fixtures_dict)}: "
            "it belongs to another task."
        )
    for name, pose in poses.items():
        if np.shape(pose) != (7,):
            raise ValueError(
                f"fixture_poses[{name!r}] has shape {np.shape(pose)}; it must be [7], position and quaternion."
            )
        body = env.sim.model.body_name2id(env.fixtures_dict[name].root_body)
        env.sim.model.body_pos[body], env.sim.model.body_quat[body] = pose[:3], pose[3:]


def draw_start(env: Any, seed: int) -> EpisodeStart:
    """Draws a start by LIBERO's own random reset, from the seed alone.

    The environment is left as drawn, not settled; `begin` must follow. NumPy's global generator, from which LIBERO
    draws, is put back afterwards.

    Args:
        env: LIBERO's environment, built with ``hard_reset=False`` and ``initialization_noise="default"``: the
            evaluation states also have that noise on the arm's joints.
        seed: at least 0, below 2**32.

    Raises:
        ValueError: the seed is out of range.
        RuntimeError: the objects could not be placed.
    """
    with global_generator(seeded(seed)):
        reset_randomly(env)
        return capture_start(env)


def reset_randomly(env: Any, added_initializers: Sequence[Any] = ()) -> None:
    """Resets by the next draws of NumPy's global generator, as a reset that compiles the scene anew does.

    Args:
        env: LIBERO's environment, built with ``hard_reset=False``.
        added_initializers: what LIBERO appends to the list of its joint samplers whenever it compiles the scene,
            failed attempts included; see `hard_resets`.

    Raises:
        RuntimeError: the objects could not be placed.
    """
    from robosuite.utils.errors import RandomizationError

    # Samplers add a fixture's pose to that of what stands on it, and write the fixture's pose only afterwards: left
    # where the last reset put it, it would count twice.
    compiled = compiled_fixture_poses(env)
    for _ in range(_MAX_PLACEMENT_ATTEMPTS):
        place_fixtures(env, compiled)
        env.object_property_initializers.extend(added_initializers)
        try:
            env.reset()
        except RandomizationError:  # the draw had overlapping objects; LIBERO, too, draws again
            continue
        return
    raise RuntimeError(f"objects overlapped in {_MAX_PLACEMENT_ATTEMPTS} random placements one after another.")


def seeded(seed: int) -> dict[str, Any]:
    """State of NumPy's global generator after seeding.

    Raises:
        ValueError: the seed is out of range.
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed = {seed} is out of range: NumPy's generator takes 0 <= seed < 2**32.")
    return dict(np.random.RandomState(seed).get_state(legacy=False))


@contextmanager
def global_generator(state: dict[str, Any]) -> Iterator[None]:
    """Runs a block with NumPy's global generator in `state`; afterwards the generator is as it was before."""
    before = np.random.get_state(legacy=False)  # noqa: NPY002
    np.random.set_state(state)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002


def begin(
    env: Any,
    start: EpisodeStart,
    step: Callable[[NDArray[np.float64]], object],
    posture: NDArray[np.float64] | None = None,
) -> None:
    """Puts the environment into a start and lets it settle for `SETTLE_STEPS` steps.

    What follows depends on the start and the actions alone: not on what happened in this environment before.

    Args:
        env: LIBERO's environment.
        start: of the task that it simulates.
        step: executes an action in it.
        posture: joint angles ``[7]``, radians, from which the controller takes its references in place of the home
            pose's. The arm still begins where `start` has it, as when LIBERO sets a state after a reset; settling
            then turns the hand and the elbow towards the posture.

    Raises:
        ValueError: the start belongs to another task.
    """
    size = 1 + env.sim.model.nq + env.sim.model.nv
    if np.shape(start.state) != (size,):
        raise ValueError(
            f"start.state has shape {np.shape(start.state)}, but the task's states have [{size}]: it belongs to "
            "another task."
        )
    place_fixtures(env, start.fixture_poses)
    gripper = env.robots[0].gripper
    gripper.current_action = np.zeros(gripper.dof)
    robot = env.robots[0]
    home = robot.init_qpos
    env.deterministic_reset = True  # no draws: the controller takes its references from the exact home pose
    robot.init_qpos = home if posture is None else posture
    try:
        env.reset()
    finally:
        env.deterministic_reset, robot.init_qpos = False, home
    env.sim.data.qacc_warmstart[:] = 0.0
    env.sim.set_state_from_flattened(np.asarray(start.state, np.float64))
    env.sim.forward()
    env._check_success()  # also updates what the stove and the like show
    env._post_process()
    env._update_observables(force=True)
    for _ in range(SETTLE_STEPS):
        step(OPEN_AND_STILL)


def restore(env: Any, state: NDArray[np.float64]) -> None:
    """Puts everything that moves into a flattened state ``[S]`` of the episode that is under way.

    What the state does not hold (controller, gripper command, fixtures) stays as it is, which is right where the
    episode has been replayed up to there.
    """
    env.sim.set_state_from_flattened(np.asarray(state, np.float64))
    env.sim.forward()
    env._check_success()  # also updates what the stove and the like show
    env._update_observables(force=True)

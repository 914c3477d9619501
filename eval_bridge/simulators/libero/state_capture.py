"""Reads from a live LIBERO environment what determines an episode's start."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval_bridge.simulators.interface import EpisodeStart


def flat_state(env: Any) -> NDArray[np.float64]:
    """Time, positions and velocities of everything that moves, ``float64 [S]``."""
    return env.sim.get_state().flatten()


def fixture_poses(env: Any) -> dict[str, NDArray[np.float64]]:
    """Position and quaternion (w first) of every fixture, ``float64 [7]`` each.

    Fixtures (cabinet, stove, ...) have no free joint: each reset moves them by writing into the compiled model, so
    the flattened state knows nothing of them.
    """
    model = env.sim.model
    bodies = {name: model.body_name2id(fixture.root_body) for name, fixture in env.fixtures_dict.items()}
    return {name: np.concatenate([model.body_pos[body], model.body_quat[body]]) for name, body in bodies.items()}


def capture_start(env: Any) -> EpisodeStart:
    """The start that brings another environment of the task to where this one is (at rest, before settling)."""
    return EpisodeStart(state=flat_state(env), fixture_poses=fixture_poses(env))


def with_arm_turned(env: Any, state: NDArray[np.float64], turn: NDArray[np.float64]) -> NDArray[np.float64]:
    """A flattened state ``[S]`` with the arm's joints turned by ``[7]`` radians."""
    changed = np.array(state)
    changed[1 + np.asarray(env.robots[0]._ref_joint_pos_indexes)] += turn
    return changed

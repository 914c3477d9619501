"""The evaluation states of LIBERO's tasks. Only evaluation may import this module.

They exist for published rows: no training, collection or choice of anything may see them. `LiberoSimulator.draw_start`
gives states of the same distribution for everything else.
"""

import numpy as np

from eval_bridge.simulators.interface import EpisodeStart
from eval_bridge.simulators.libero.fixture_poses import load_fixture_poses
from eval_bridge.simulators.libero.suites import get_suite
from eval_bridge.simulators.libero.task_files import initial_states_file


def evaluation_starts(suite: str, task: int | str) -> list[EpisodeStart]:
    """The starts of all evaluation episodes of a task, in the order of the published protocol.

    Episode k has the benchmark's k-th initial state and the fixture poses that OpenVLA-OFT's sequential loop gives
    it (see `fixture_poses`), whichever worker runs it.

    Raises:
        UnknownName: no such suite or task.
        FixturePosesMissing: the poses of this suite were not computed yet.
        ValueError: the installed initial states are not `EVALUATION_EPISODES` states.
    """
    name = get_suite(suite).task_name(task)
    path = initial_states_file(suite, name)
    with np.load(path) as archive:
        states = archive["states"].astype(np.float64)
    poses = load_fixture_poses(suite, name)
    if states.ndim != 2 or len(states) != len(poses):
        raise ValueError(f"{path} holds an array of shape {states.shape}; expected [{len(poses)}, S].")
    return [EpisodeStart(state, pose) for state, pose in zip(states, poses, strict=True)]

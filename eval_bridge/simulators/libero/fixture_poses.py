"""Fixture poses of the evaluation episodes, computed once and kept as data.

An initial state of LIBERO does not hold the poses of fixtures; each reset draws them anew. In OpenVLA-OFT's
evaluation, which published numbers come from, episode k of a task has those of the (k+1)-th recompiling reset after
one ``env.seed(0)``, with nothing else drawing from NumPy's global generator. Physics alone give them: no renderer is
needed. Make the data of a suite with

    python -m eval_bridge.simulators.libero.fixture_poses --suite libero_goal
"""

import argparse
import copy
import json
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval_bridge.simulators.libero.environment import build_environment
from eval_bridge.simulators.libero.state_capture import fixture_poses
from eval_bridge.suites import EVALUATION_EPISODES, get_suite

_DATA = Path(__file__).parent / "data"
_ENVIRONMENT_SEED = 0

_logger = logging.getLogger("eval_bridge.simulators.libero.fixture_poses")  # also when run as a program


class FixturePosesMissing(FileNotFoundError):
    """No data for a suite; the message names the command that makes it."""

    def __init__(self, suite: str, path: Path) -> None:
        """Names the suite and the file."""
        super().__init__(
            f"The fixture poses of {suite}'s evaluation episodes are not in {path}. Compute them (physics only, some "
            f"minutes): python -m eval_bridge.simulators.libero.fixture_poses --suite {suite}"
        )


def load_fixture_poses(suite: str, task: int | str) -> list[dict[str, NDArray[np.float64]]]:
    """Fixture poses of every evaluation episode of a task: fixture -> position and quaternion (w first), ``[7]``.

    Raises:
        UnknownName: no such suite or task.
        FixturePosesMissing: there is no data for the suite, or not for this task.
    """
    name = get_suite(suite).task_name(task)
    path = _data_file(suite)
    tasks = json.loads(path.read_text()) if path.exists() else {}
    if name not in tasks:
        raise FixturePosesMissing(suite, path)
    episodes = zip(*tasks[name].values(), strict=True) if tasks[name] else [()] * EVALUATION_EPISODES
    return [dict(zip(tasks[name], map(np.asarray, poses), strict=True)) for poses in episodes]


def compute_fixture_poses(suite: str, task: int | str, episodes: int) -> dict[str, list[list[float]]]:
    """Runs the resets of the published procedure: fixture -> pose of each episode, ``[episodes][7]``."""
    wrapper = build_environment(suite, task, hard_reset=True, initialization_noise=None)
    _compile_only_once(wrapper.env)
    wrapper.seed(_ENVIRONMENT_SEED)
    drawn: list[dict[str, NDArray[np.float64]]] = []
    for _ in range(episodes):
        wrapper.reset()
        drawn.append(fixture_poses(wrapper.env))
    names = list(wrapper.env.fixtures_dict)
    wrapper.close()
    return {name: [poses[name].tolist() for poses in drawn] for name in names}


def _compile_only_once(env: Any) -> None:
    """Makes recompiling resets reuse the model: a reset generates the same XML each time, and compiling it is slow."""
    from mujoco import MjModel
    from robosuite.utils.binding_utils import MjSim

    xml = env.model.get_xml()
    compiled = MjModel.from_xml_string(xml)

    def initialise() -> None:
        assert env.model.get_xml() == xml, "a reset generated another scene"
        env.sim = MjSim(copy.copy(compiled))
        env.sim.forward()
        env.initialize_time(env.control_freq)

    env._initialize_sim = initialise


def make_data(suite: str, path: Path) -> None:
    """Computes the tasks of a suite that `path` does not hold yet, and saves after each of them."""
    tasks: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for task in get_suite(suite).tasks:
        if task in tasks:
            continue
        _logger.info("%s: %d resets", task, EVALUATION_EPISODES)
        tasks[task] = compute_fixture_poses(suite, task, EVALUATION_EPISODES)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(_one_line_per_fixture(tasks))
        unfinished.replace(path)


def main(arguments: list[str] | None = None) -> None:
    """Command line: computes the data of one suite."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", required=True, help="e.g. libero_spatial")
    suite = parser.parse_args(arguments).suite
    logging.basicConfig(format="%(message)s")
    logging.getLogger("eval_bridge").setLevel(logging.INFO)
    os.environ["MUJOCO_GL"] = "disabled"
    make_data(suite, _data_file(suite))


def _data_file(suite: str) -> Path:
    return _DATA / f"fixture_poses_{suite}.json"


def _one_line_per_fixture(tasks: dict[str, Any]) -> str:
    lines = []
    for task, fixtures in tasks.items():
        rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(poses)}" for name, poses in fixtures.items())
        lines.append(f" {json.dumps(task)}: {{\n{rows}\n }}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    main()

r"""Makes the data of `fixture_poses`: the poses that the evaluation episodes of suites have.

    python -m eval_bridge.simulators.libero.compute_fixture_poses libero_goal libero_goal_lan

Physics only: no renderer is needed, and a task takes about 5 seconds. Tasks that are there already are kept, so that
an interrupted computation goes on. A suite that others are variants of comes before them.
"""

import argparse
import itertools
import json
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from eval_bridge.simulators.libero.environment import build_environment
from eval_bridge.simulators.libero.fixture_poses import TaskName, data_file
from eval_bridge.simulators.libero.hard_resets import hard_reset_starts
from eval_bridge.simulators.libero.suites import EVALUATION_EPISODES, Suite, get_suite, suite_names
from rsd_jax.atomic_files import write_atomically

PUBLISHED_SEED = 0
"""Of OpenVLA-OFT's environments, whatever the seed of its policy."""

_logger = logging.getLogger("eval_bridge.simulators.libero.compute_fixture_poses")  # also when run as a program

_Columns = dict[str, list[float | list[float]]]
"""Fixture -> seven coordinates, see `fixture_poses`."""


def compute_fixture_poses(suite: str, task: int | str) -> _Columns:
    """Runs the resets of the published procedure: fixture -> coordinates, each for all episodes or one by one."""
    wrapper = build_environment(suite, task, initialization_noise=None)
    starts = list(itertools.islice(hard_reset_starts(wrapper.env, PUBLISHED_SEED), EVALUATION_EPISODES))
    fixtures = list(wrapper.env.fixtures_dict)
    wrapper.env.close()
    return {fixture: _columns(start.fixture_poses[fixture].tolist() for start in starts) for fixture in fixtures}


def make_data(suite: str) -> None:
    """Computes the tasks of a suite that its file does not hold yet, and saves after each of them."""
    found = get_suite(suite)
    path = data_file(suite)
    tasks = _read(path)
    known = _own_poses(found, tasks)
    for task in found.tasks:
        if task in tasks:
            continue
        poses = compute_fixture_poses(suite, task)
        same = next((name for name, others in known.items() if poses and others == poses), None)
        _logger.info("%s: %s", TaskName(suite, task), f"as {same}" if same else ", ".join(poses) or "no fixtures")
        tasks[task] = str(same) if same else poses
        if same is None:
            known[TaskName(suite, task)] = poses
        _write(path, tasks)


def main(arguments: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="+", choices=suite_names(), metavar="SUITE", help="e.g. libero_spatial")
    suites = parser.parse_args(arguments).suites
    logging.basicConfig(format="%(message)s")
    logging.getLogger("eval_bridge").setLevel(logging.INFO)
    os.environ["MUJOCO_GL"] = "disabled"
    for suite in suites:
        make_data(suite)


def _own_poses(suite: Suite, tasks: dict[str, Any]) -> dict[TaskName, _Columns]:
    """Poses that are stored already and that a task of the suite may refer to, the suite's base first."""
    stored = {suite.base: _read(data_file(suite.base))} if suite.is_variant else {}
    stored[suite.name] = tasks
    return {
        TaskName(name, task): poses
        for name, entries in stored.items()
        for task, poses in entries.items()
        if isinstance(poses, dict)
    }


def _columns(poses: Iterable[list[float]]) -> list[float | list[float]]:
    return [column[0] if len(set(column)) == 1 else list(column) for column in zip(*poses, strict=True)]


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.exists() else {}


def _write(path: Path, tasks: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, _one_line_per_fixture(tasks))


def _one_line_per_fixture(tasks: dict[str, Any]) -> str:
    lines = []
    for task, poses in tasks.items():
        if isinstance(poses, str):
            lines.append(f" {json.dumps(task)}: {json.dumps(poses)}")
        else:
            rows = ",\n".join(f"  {json.dumps(fixture)}: {json.dumps(columns)}" for fixture, columns in poses.items())
            lines.append(f" {json.dumps(task)}: {{\n{rows}\n }}" if poses else f" {json.dumps(task)}: {{}}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    main()

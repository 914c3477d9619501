"""How far from where they belong things are put down: on another thing LIBERO counts 3 cm from its middle as on it.

    python -m tests.benchmarks.placements --starts 8 --evaluation runs/NAME/evaluation --out FILE.json
    python -m tests.benchmarks.placements --suite libero_10 --starts 4 --out FILE.json

Of the expert, moving as configs/demos.py:SUITE records it, from random resets without disturbances, two
seconds an episode; and of a policy, from the traces of an evaluation that was made before. Where an episode has not
carried the thing to within `NEAR`, it counts as not placed.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval_bridge.episodes.trace import load_trace
from eval_bridge.evaluation.episode_log import read_episode_log
from eval_bridge.experts.destination import destination_of
from eval_bridge.experts.goal import Carry, open_goals
from eval_bridge.experts.libero_scene import LiberoScene
from eval_bridge.experts.scripted_expert import ExpertFailed, ScriptedExpert
from eval_bridge.experts.smooth_motion import MotionLimits, smooth
from eval_bridge.provenance import package_versions
from eval_bridge.simulators.libero.suites import get_suite
from launch.config_flags import load_config
from rsd_jax.atomic_files import write_json
from rsd_jax.provenance import device_name, git_commit
from rsd_jax.registry import to_dataclass
from rsd_jax.run_folder import LOG_NAME
from tests.benchmarks.grasp_kinds import FIRST_SEED

NEAR = 0.06
"""Metres from the middle: the plate's radius and a bit."""

Offsets = dict[str, list[NDArray[np.float64]]]
"""Metres ``[2]`` by what was put where."""


def expert_offsets(suite: str, task: str, starts: int, motion: MotionLimits) -> Offsets:
    """How far from where they belong things end that a task's goal has carried; nothing of a task that carries none.

    They belong in the middle of an object, and in a region where the planner puts them at the start.
    """
    from eval_bridge.simulators.libero.environment import LiberoSimulator

    simulator = LiberoSimulator(suite, task)
    offsets: Offsets = {}
    for start in range(starts):
        simulator.begin(simulator.draw_start(FIRST_SEED + start))
        scene = LiberoScene(simulator.queries)
        carried = [goal for goal in open_goals(scene) if isinstance(goal, Carry)]
        planned = {goal: destination_of(scene, goal).position for goal in carried if scene.is_region(goal.support)}
        if not carried:
            return {}
        # Not ended by success: a goal that holds while the thing is lowered is not where it comes to lie.
        with contextlib.suppress(ExpertFailed):
            for action in islice(smooth(ScriptedExpert(scene).actions(), motion), get_suite(suite).max_steps):
                simulator.step(action)
        for goal in carried:
            belongs = planned.get(goal, scene.pose(goal.support).position)
            offsets.setdefault(" ".join(goal.predicate), []).append((scene.pose(goal.item).position - belongs)[:2])
    return offsets


def policy_offsets(folder: Path) -> Offsets:
    """From the middle of its support, of the first thing of every episode's goal in an evaluation, by task."""
    offsets: Offsets = {}
    for episode in read_episode_log(folder / LOG_NAME).episodes.values():
        assert episode.trace is not None
        trace = load_trace(folder / episode.trace)
        _, item, support = trace.goal[0]
        ends = trace.item_positions[-1, [trace.item_names.index(name) for name in (item, support)], :2]
        offsets.setdefault(episode.task, []).append(ends[0].astype(np.float64) - ends[1])
    return offsets


def describe(offsets: Sequence[NDArray[np.float64]]) -> dict[str, Any]:
    """Centimetres, of those that were placed."""
    everything = 100 * np.stack(offsets)
    placed = everything[np.linalg.norm(everything, axis=1) < 100 * NEAR]
    counts = {"episodes": len(everything), "placed": len(placed)}
    if not len(placed):
        return counts
    distance = np.linalg.norm(placed, axis=1)
    return counts | {
        "mean_xy_cm": placed.mean(axis=0).round(2).tolist(),
        "std_xy_cm": placed.std(axis=0).round(2).tolist(),
        "distance_cm": {"mean": round(float(distance.mean()), 2), "most": round(float(distance.max()), 2)},
        "beyond_2_cm": int((distance > 2).sum()),
        "beyond_3_cm": int((distance > 3).sum()),
    }


def main(arguments: Sequence[str]) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.placements", description=__doc__)
    parser.add_argument("--suite", default="libero_spatial", help="the expert's; default: libero_spatial")
    parser.add_argument("--starts", type=int, default=4, help="random resets of every task; default: 4")
    parser.add_argument("--evaluation", type=Path, metavar="FOLDER", help="an evaluation with its traces")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE.json")
    options = parser.parse_args(arguments)
    os.environ["MUJOCO_GL"] = "disabled"
    found = {"policy": policy_offsets(options.evaluation)} if options.evaluation else {}
    motion = to_dataclass(MotionLimits, load_config(f"configs/demos.py:{options.suite}")[1].motion)
    found["expert"] = {}
    for task in get_suite(options.suite).tasks:
        placed = expert_offsets(options.suite, task, options.starts, motion)
        found["expert"] |= {task if len(placed) == 1 else f"{task}: {what}": ends for what, ends in placed.items()}
    record: dict[str, Any] = {"suite": options.suite, "starts": options.starts, "first_seed": FIRST_SEED}
    for name, by_task in found.items():
        everything = [offset for offsets in by_task.values() for offset in offsets]
        record[name] = {
            "all": describe(everything),
            "tasks": {task: describe(offsets) for task, offsets in by_task.items()},
        }
        print(name, record[name]["all"])
        for task, described in record[name]["tasks"].items():
            print("   ", task, described)
    if options.evaluation:
        record["evaluation"] = str(options.evaluation)
    origin = {"commit": git_commit(), "device": device_name(), "versions": package_versions()}
    write_json(options.out, record | origin)


if __name__ == "__main__":
    main(sys.argv[1:])

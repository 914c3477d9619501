"""How the expert's hand arrives at its first grasp: how long it takes, and how far it drifts while the fingers close.

    python -m tests.benchmarks.grasp_motion --tasks 2 4 9 --out results/grasp_motion.json

Physics alone, from random resets, without disturbances: two seconds an episode.
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

from eval_bridge.experts.libero_scene import LiberoScene
from eval_bridge.experts.scripted_expert import ExpertFailed, ScriptedExpert
from eval_bridge.provenance import package_versions
from eval_bridge.simulators.libero.suites import get_suite
from rsd_jax.atomic_files import write_json
from rsd_jax.provenance import device_name, git_commit
from tests.benchmarks.grasp_kinds import FIRST_SEED

CLOSING_STEPS = 10
"""After so many steps of closing the fingers hold what they hold."""


def grasp_motion(suite: str, task: str, starts: int) -> dict[str, Any]:
    """Means over the solved ones of `starts` episodes of a task."""
    from eval_bridge.simulators.libero.environment import LiberoSimulator

    simulator = LiberoSimulator(suite, task)
    solved = []
    for start in range(starts):
        simulator.begin(simulator.draw_start(FIRST_SEED + start))
        scene = LiberoScene(simulator.queries)
        closing, place, found = None, scene.hand().position, None
        # An expert that gives up has not solved the episode, as one that runs out of steps.
        with contextlib.suppress(ExpertFailed):
            for step, action in enumerate(islice(ScriptedExpert(scene).actions(), get_suite(suite).max_steps)):
                if closing is None and action[6] > 0:
                    closing, place = step, scene.hand().position.copy()
                if closing is not None and step == closing + CLOSING_STEPS:
                    drift = np.linalg.norm((scene.hand().position - place)[:2])
                    found = (closing, 1000 * float(drift), 1000 * float(scene.finger_opening()))
                if simulator.step(action):
                    if found is not None:
                        solved.append((step + 1, *found))
                    break
    steps, closings, drifts, openings = np.array(solved, float).reshape(-1, 4).T
    return {
        "task": task,
        "solved": len(solved),
        "steps": float(steps.mean()),
        "steps_to_closing": float(closings.mean()),
        "drift_while_closing_mm": {"mean": float(drifts.mean()), "most": float(drifts.max())},
        "fingers_apart_mm": {"mean": float(openings.mean()), "std": float(openings.std())},
    }


def main(arguments: Sequence[str]) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.grasp_motion", description=__doc__)
    parser.add_argument("--suite", default="libero_spatial", help="default: libero_spatial")
    parser.add_argument("--tasks", type=int, nargs="+", metavar="INDEX", help="default: all of the suite")
    parser.add_argument("--starts", type=int, default=4, help="random resets of every task; default: 4")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE.json")
    options = parser.parse_args(arguments)
    os.environ["MUJOCO_GL"] = "disabled"
    tasks = []
    names = get_suite(options.suite).tasks
    for task in names if options.tasks is None else [names[index] for index in options.tasks]:
        tasks.append(grasp_motion(options.suite, task, options.starts))
        print(tasks[-1], flush=True)
    record = {"suite": options.suite, "starts": options.starts, "first_seed": FIRST_SEED, "tasks": tasks}
    origin = {"commit": git_commit(), "device": device_name(), "versions": package_versions()}
    write_json(options.out, record | origin)


if __name__ == "__main__":
    main(sys.argv[1:])

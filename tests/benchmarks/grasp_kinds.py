"""Of how many kinds the expert's grasps are: what a policy that regresses its demonstrations has to tell apart.

    python -m tests.benchmarks.grasp_kinds --suite libero_spatial --starts 16 --out results/grasp_kinds.json

The first grasp of every task is planned from random resets, and nothing is executed: ten seconds a task.
"""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eval_bridge.experts.goal import Carry, open_goals
from eval_bridge.experts.libero_scene import LiberoScene
from eval_bridge.experts.scripted_expert import ScriptedExpert
from eval_bridge.provenance import package_versions
from eval_bridge.simulators.libero.suites import get_suite
from eval_bridge.simulators.start_seeds import FIRST_DEVELOPMENT_SEED
from rsd_jax.atomic_files import write_json
from rsd_jax.provenance import device_name, git_commit

FIRST_SEED = FIRST_DEVELOPMENT_SEED + 10_000_000
"""Of starts that neither training nor any evaluation has."""


def grasp_kinds(suite: str, task: str, starts: int) -> dict[str, Any] | None:
    """Yaws, sides and places of the first grasp of a task; None if its first goal is not to carry something."""
    from eval_bridge.simulators.libero.environment import LiberoSimulator

    simulator = LiberoSimulator(suite, task)
    yaws: list[float] = []
    offsets = []
    for start in range(starts):
        simulator.begin(simulator.draw_start(FIRST_SEED + start))
        scene = LiberoScene(simulator.queries)
        goal = open_goals(scene)[0]
        if not isinstance(goal, Carry):
            return None
        grasp = ScriptedExpert(scene).plan(goal)
        yaws.append(float(np.rad2deg(grasp.yaw)))
        offsets.append(100 * (grasp.position - scene.centre_of_mass(goal.item)))
    mean, spread = np.mean(offsets, axis=0), np.std(offsets, axis=0)
    return {
        "task": task,
        "yaw_degrees": {str(yaw): count for yaw, count in sorted(Counter(round(yaw) for yaw in yaws).items())},
        "on_the_left": sum(bool(offset[1] > 0) for offset in offsets),
        "from_centre_of_mass_cm": {"mean": mean.round(2).tolist(), "std": spread.round(2).tolist()},
    }


def main(arguments: Sequence[str]) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.grasp_kinds", description=__doc__)
    parser.add_argument("--suite", default="libero_spatial", help="default: libero_spatial")
    parser.add_argument("--starts", type=int, default=16, help="random resets of every task; default: 16")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE.json")
    options = parser.parse_args(arguments)
    os.environ["MUJOCO_GL"] = "disabled"
    kinds = []
    for task in get_suite(options.suite).tasks:
        if (found := grasp_kinds(options.suite, task, options.starts)) is not None:
            kinds.append(found)
            print(task, found["yaw_degrees"], f"{found['on_the_left']} of {options.starts} on the left", flush=True)
    record = {"suite": options.suite, "starts": options.starts, "first_seed": FIRST_SEED, "tasks": kinds}
    origin = {"commit": git_commit(), "device": device_name(), "versions": package_versions()}
    write_json(options.out, record | origin)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Whether a control step here is LIBERO's own to the last bit, and what both take: every task of the four suites.

    python -m tests.benchmarks.step_equality --out results/step_equality.json

Random actions from a random reset, the gripper opening and closing; the same episode by the environment's own step and
by `eval_bridge.simulators.libero.stepping`, in turns. Times are those of the processor, not the clock's, and without
rendering. A minute for three tasks, most of it compiling scenes.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from eval_bridge.provenance import package_versions
from eval_bridge.simulators.libero.environment import LiberoSimulator
from eval_bridge.simulators.libero.stepping import Stepper
from eval_bridge.simulators.libero.suites import get_suite
from rsd_jax.atomic_files import write_json
from rsd_jax.provenance import device_name, git_commit
from tests.benchmarks.grasp_kinds import FIRST_SEED

SUITES = ("libero_spatial", "libero_object", "libero_goal", "libero_10")
ROUNDS = 2

Step = Callable[[NDArray[np.float64]], object]


def random_actions(steps: int, seed: int) -> NDArray[np.float64]:
    """Actions ``[steps, 7]`` that wander, downwards rather than up."""
    walk = 0.2 * np.cumsum(np.random.default_rng(seed).normal(size=(steps, 7)), axis=0)
    walk += np.array([0.1, 0.0, -0.4, 0.0, 0.0, 0.0, 0.0])
    walk[:, 6] = np.sign(np.sin(np.arange(steps) / 8))
    return np.clip(walk, -1.0, 1.0).astype(np.float32).astype(np.float64)


def play(simulator: LiberoSimulator, step: Step, actions: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """What every step leaves behind, ``[steps, ...]``, and processor seconds a step."""
    env = simulator._environment()
    simulator.begin(simulator.draw_start(FIRST_SEED))
    seen, spent = [], 0.0
    for action in actions:
        began = time.process_time()
        solved = step(action)
        spent += time.process_time() - began
        data, controller = env.sim.data, env.robots[0].controller
        parts = (data.qacc_warmstart, data.xpos, data.site_xpos, controller.torques, controller.mass_matrix)
        numbers = [np.ravel(part) for part in (simulator.state(), simulator.proprio(), [data.ncon, solved], *parts)]
        seen.append(np.concatenate(numbers))
    return np.stack(seen), spent / len(actions)


def measure(suite: str, task: str, steps: int, seed: int) -> dict[str, Any]:
    """One task."""
    simulator = LiberoSimulator(suite, task)
    env = simulator._environment()
    actions = random_actions(steps, seed)
    own, here = [], []
    for _ in range(ROUNDS):
        own.append(play(simulator, lambda action: env.step(action)[2], actions))
        here.append(play(simulator, Stepper(env).step, actions))
    simulator.close()
    return {
        "steps_equal": int((own[0][0] == here[0][0]).all(axis=1).sum()),
        "ms_own": round(1000 * min(spent for _, spent in own), 2),
        "ms_here": round(1000 * min(spent for _, spent in here), 2),
    }


def main(arguments: Sequence[str]) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suites", nargs="+", default=list(SUITES), choices=SUITES)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    tasks = [(suite, task) for suite in options.suites for task in get_suite(suite).tasks]
    rows = [
        {"suite": suite, "task": task, **measure(suite, task, options.steps, seed)}
        for seed, (suite, task) in enumerate(tqdm(tasks, unit="task"))
    ]
    equal, own, here = (sum(row[name] for row in rows) for name in ("steps_equal", "ms_own", "ms_here"))
    steps = options.steps * len(rows)
    print(f"{equal} of {steps} steps equal; {own / len(rows):.1f} ms by LIBERO's own, {here / len(rows):.1f} ms here")
    if options.out is not None:
        record = {
            "steps": options.steps,
            "first_seed": FIRST_SEED,
            "own_over_here": round(own / here, 3),
            "tasks": rows,
        }
        provenance = {"commit": git_commit(), "device": device_name(), "versions": package_versions()}
        write_json(options.out, {**record, **provenance})
    if equal != steps:
        sys.exit("error: a step differs")


if __name__ == "__main__":
    main(sys.argv[1:])

"""Compares the starts of soft resets, which collection draws from, with those of LIBERO's hard resets.

    python -m tests.benchmarks.reset_distribution --draws 200 --out results/reset_distribution.json
    python -m tests.benchmarks.reset_distribution --suites libero_goal --tasks 0 5 --draws 200 --out goal.json

For each task, `--compiled` resets that really compile the scene anew, one after another after one seed, must equal
`hard_reset_starts` to the last bit; that generator then gives the hard sample, `draw_start` the soft one, from other
seeds. Every coordinate of the state and of the fixture poses is compared by the two-sample Kolmogorov-Smirnov test;
p-values are multiplied by the number of coordinates that vary (Bonferroni), in all tasks together. Physics only.
"""

import argparse
import itertools
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("MUJOCO_GL", "disabled")
os.environ.setdefault("JAX_PLATFORMS", "cpu")  # asked for the machine's name only

import numpy as np
from scipy.stats import ks_2samp

from eval_bridge.provenance import simulator_versions
from eval_bridge.simulators.interface import EpisodeStart
from eval_bridge.simulators.libero.environment import build_environment
from eval_bridge.simulators.libero.hard_resets import hard_reset_starts
from eval_bridge.simulators.libero.reset import draw_start
from eval_bridge.simulators.libero.state_capture import capture_start
from eval_bridge.simulators.libero.suites import get_suite, suite_names
from rsd_jax.atomic_files import write_atomically
from rsd_jax.provenance import device_name, git_commit

SEEDS_PER_TASK = 100_000  # the first for hard resets, those behind it for soft ones: no two samples share one
SIGNIFICANCE = 0.01


class Coordinate(NamedTuple):
    """One number of a start in both samples, ``[draws]`` each."""

    name: str
    soft: np.ndarray
    hard: np.ndarray

    @property
    def is_constant(self) -> bool:
        return len(np.unique(np.concatenate([self.soft, self.hard]))) == 1

    def p_value(self) -> float:
        return float(ks_2samp(self.soft, self.hard).pvalue)


def main() -> None:
    arguments = parsed_arguments()
    tasks = {}
    for suite in arguments.suites:
        for task in arguments.tasks or range(len(get_suite(suite).tasks)):
            measured = measure(suite, task, arguments.draws, arguments.compiled)
            tasks[f"{suite}/{get_suite(suite).task_name(task)}"] = measured
            print(f"{suite} {task}: {json.dumps(measured)}", flush=True)
            write(arguments.out, report(tasks, arguments.draws))
    verdict = report(tasks, arguments.draws)
    print(json.dumps({key: value for key, value in verdict.items() if key != "tasks"}))
    if not (verdict["is_same_distribution"] and verdict["compiled_resets_are_reproduced"]):
        raise SystemExit("soft and hard resets differ")


def parsed_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    suites = ["libero_spatial", "libero_object", "libero_goal", "libero_10"]
    parser.add_argument("--suites", nargs="+", default=suites)
    parser.add_argument("--tasks", nargs="*", type=int, help="indices; all tasks of the suites otherwise")
    parser.add_argument("--draws", type=int, default=200, help="of each kind and task")
    parser.add_argument("--compiled", type=int, default=5, help="resets of each task that compile the scene anew")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def measure(suite: str, task: int, draws: int, compiled: int) -> dict[str, Any]:
    hard_seed = SEEDS_PER_TASK * (1 + 100 * suite_names().index(suite) + task)
    env = build_environment(suite, task).env
    own_initializers = list(env.object_property_initializers)
    names = coordinate_names(env)
    soft, soft_seconds = timed(lambda: [draw_start(env, hard_seed + 1 + index) for index in range(draws)])
    hard = list(itertools.islice(hard_reset_starts(env, hard_seed), max(draws, compiled)))
    reference, compiled_seconds = timed(lambda: compiled_starts(env, hard_seed, compiled))
    env.close()
    coordinates = [
        Coordinate(name, *columns)
        for name, *columns in zip(names, flat(soft).T, flat(hard[:draws]).T, strict=True)
        if name != "time"
    ]
    varying = [coordinate for coordinate in coordinates if not coordinate.is_constant]
    p_values = {coordinate.name: coordinate.p_value() for coordinate in varying}
    smallest = min(p_values, key=p_values.__getitem__, default="")
    return {
        "joint_samplers": len(own_initializers),
        "coordinates": len(coordinates),
        "constant": len(coordinates) - len(varying),
        "smallest_p": p_values.get(smallest, 1.0),
        "smallest_p_of": smallest,
        "below_0.05": sum(p < 0.05 for p in p_values.values()),
        "compiled_resets": compiled,
        "compiled_resets_equal": int(
            sum((flat([a]) == flat([b])).all() for a, b in zip(reference, hard, strict=False))
        ),
        "soft_seconds_per_reset": round(soft_seconds / draws, 4),
        "hard_seconds_per_reset": round(compiled_seconds / compiled, 4) if compiled else None,
    }


def report(tasks: dict[str, Any], draws: int) -> dict[str, Any]:
    tests = sum(task["coordinates"] - task["constant"] for task in tasks.values())
    adjusted = min(1.0, min(task["smallest_p"] for task in tasks.values()) * tests)
    return {
        "device": device_name(),
        "versions": simulator_versions(),
        "commit": git_commit(),
        "draws": draws,
        "tests": tests,
        "below_0.05": sum(task["below_0.05"] for task in tasks.values()),
        "smallest_p_adjusted": adjusted,
        "significance": SIGNIFICANCE,
        "is_same_distribution": adjusted >= SIGNIFICANCE,
        "compiled_resets_are_reproduced": all(
            t["compiled_resets_equal"] == t["compiled_resets"] for t in tasks.values()
        ),
        "tasks": tasks,
    }


def compiled_starts(env: Any, seed: int, count: int) -> list[EpisodeStart]:
    """LIBERO's own hard resets, in the environment that must not be used afterwards."""
    from robosuite.utils.errors import RandomizationError

    env.hard_reset = True
    np.random.seed(seed)  # noqa: NPY002 - the generator that LIBERO draws from
    starts: list[EpisodeStart] = []
    while len(starts) < count:
        try:
            env.reset()
        except RandomizationError:
            continue
        starts.append(capture_start(env))
    return starts


def coordinate_names(env: Any) -> list[str]:
    model = env.sim.model._model
    widths = {0: ("x", "y", "z", "qw", "qx", "qy", "qz"), 2: ("",), 3: ("",)}  # free, slide, hinge
    speeds = {0: ("vx", "vy", "vz", "wx", "wy", "wz"), 2: ("v",), 3: ("v",)}
    joints = [(model.joint(index).name, int(model.jnt_type[index])) for index in range(model.njnt)]
    positions = [f"{name}.{part}".rstrip(".") for name, kind in joints for part in widths[kind]]
    velocities = [f"{name}.{part}" for name, kind in joints for part in speeds[kind]]
    fixtures = [f"{name}.{part}" for name in sorted(env.fixtures_dict) for part in widths[0]]
    return ["time", *positions, *velocities, *fixtures]


def flat(starts: list[EpisodeStart]) -> np.ndarray:
    """Starts as rows, ``[len(starts), S + 7 fixtures]``."""
    rows = [[start.state, *(start.fixture_poses[name] for name in sorted(start.fixture_poses))] for start in starts]
    return np.array([np.concatenate(row) for row in rows])


def timed(draw: Callable[[], list[EpisodeStart]]) -> tuple[list[EpisodeStart], float]:
    began = time.perf_counter()
    starts = draw()
    return starts, time.perf_counter() - began


def write(path: Path, figures: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()

r"""Measures how often the scripted expert succeeds, on random resets that it was not developed on.

    python -m launch.measure_experts --config configs/experts.py
    python -m launch.measure_experts --config configs/experts.py --config.suites=libero_goal --config.attempts=5
    python -m launch.measure_experts --config configs/experts.py:diverse    # as configs/demos.py:diverse collects
    python -m launch.measure_experts --config configs/experts.py:layouts    # as configs/demos.py:layouts does

Every attempt counts. Physics alone, nothing is rendered. Writes ``results/experts.json`` and prints a line a task.
"""

import dataclasses
import datetime
import json
import os
from functools import partial
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict
from tqdm import tqdm

from eval_bridge.collection.attempt_log import Attempt
from eval_bridge.collection.expert_measurement import measure_expert, summarise_attempts
from eval_bridge.collection.recording import RecordingSettings
from eval_bridge.collection.worker import CollectionTask
from eval_bridge.experts.libero_expert import describe_libero_scene, libero_expert
from eval_bridge.experts.noise import NoiseSettings
from eval_bridge.experts.smooth_motion import MotionLimits
from eval_bridge.experts.style import StyleSettings
from eval_bridge.experts.version import expert_version
from eval_bridge.provenance import package_versions
from eval_bridge.simulators.libero.environment import LiberoSimulator
from eval_bridge.simulators.libero.layout.settings import LayoutSettings
from eval_bridge.simulators.libero.layout.starting import draw_start_in_layout
from eval_bridge.simulators.libero.looks.drawing import add_looks
from eval_bridge.simulators.libero.looks.settings import LooksSettings
from eval_bridge.simulators.libero.quiet_import import prepare_process
from eval_bridge.simulators.libero.scene_changes import choose_changes
from eval_bridge.simulators.libero.suites import get_suite
from launch.config_flags import run
from rsd_jax.atomic_files import write_atomically
from rsd_jax.provenance import git_commit
from rsd_jax.registry import to_dataclass

SEEDS_PER_TASK = 1_000


def tasks_of(
    suites: tuple[str, ...],
    noise: NoiseSettings,
    style: StyleSettings,
    motion: MotionLimits,
    layout: LayoutSettings,
    looks: LooksSettings,
) -> list[CollectionTask[LiberoSimulator]]:
    """Every task of the suites, to be played until its goal first holds, as an evaluation does."""
    return [
        CollectionTask(
            suite=suite,
            task=task,
            build_simulator=partial(LiberoSimulator, suite, task, choose_changes(suite, task, layout, looks, 0)),
            expert=libero_expert,
            describe_scene=partial(describe_libero_scene, suite, task, {}),
            recording=RecordingSettings(
                get_suite(suite).max_steps, 0, noise, False, style=style, motion=motion, layout=layout, looks=looks
            ),
            draw_start=draw_start_in_layout,
            add_looks=add_looks,
        )
        for suite in suites
        for task in get_suite(suite).tasks
    ]


def main(config: ConfigDict) -> None:
    """Measures, prints and writes.

    Raises:
        ValueError: a suite does not exist or a number is out of range.
        RuntimeError: a worker crashed.
        OSError: the file cannot be written.
    """
    if not 1 <= config.attempts <= SEEDS_PER_TASK:
        raise ValueError(f"attempts={config.attempts} must lie between 1 and {SEEDS_PER_TASK}, the seeds of a task")
    os.environ["MUJOCO_GL"] = "disabled"  # here and in the workers
    prepare_process(rendering=False)
    noise, style = to_dataclass(NoiseSettings, config.noise), to_dataclass(StyleSettings, config.style)
    motion, layout = to_dataclass(MotionLimits, config.motion), to_dataclass(LayoutSettings, config.layout)
    looks = to_dataclass(LooksSettings, config.looks)
    tasks = tasks_of(tuple(config.suites), noise, style, motion, layout, looks)
    seeds = {}
    for index, task in enumerate(tasks):
        first = config.first_seed + SEEDS_PER_TASK * get_suite(task.suite).task_index(task.task)
        seeds[index] = range(first, first + config.attempts)
    with tqdm(total=len(tasks) * config.attempts, unit="episode", smoothing=0.05) as bar:

        def show(task: CollectionTask[Any], attempt: Attempt) -> None:
            bar.update()
            if not attempt.is_success:
                bar.write(f"{task.task}: seed {attempt.seed} failed: {attempt.reason}")

        workers = config.workers or len(os.sched_getaffinity(0))
        attempts = measure_expert(tasks, seeds, workers, show)
    table = summarise_attempts(tasks, attempts)
    for suite, rows in table.items():
        for name, row in rows.items():
            print(f"{suite:16} {row['successes']:3}/{row['episodes']}  {row['mean_steps']} steps  {name}")
        episodes, successes = (sum(row[field] for row in rows.values()) for field in ("episodes", "successes"))
        print(f"{suite:16} {successes:3}/{episodes} = {successes / episodes:.1%}")
    settings = {
        "first_seed": config.first_seed,
        "noise": dataclasses.asdict(noise),
        "style": dataclasses.asdict(style),
        "motion": dataclasses.asdict(motion),
        **({"layout": dataclasses.asdict(layout)} if layout.draws else {}),
        **({"looks": dataclasses.asdict(looks)} if looks.draws else {}),
        "expert": expert_version(),
        "commit": git_commit(),
        "versions": package_versions(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
    path = Path(config.out)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps({**table, "settings": settings}, indent=1) + "\n")


if __name__ == "__main__":
    run(main, default="configs/experts.py", expected=(ValueError, RuntimeError, OSError))

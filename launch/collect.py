"""Records demonstrations of LIBERO tasks by the scripted expert.

    python -m launch.collect --config configs/demos.py:quickstart --config.run_dir=runs/quickstart

Run again after an interruption it goes on where it stopped. The demonstrations of a task are in
``RUN_DIR/demos/SUITE/TASK_demo.hdf5``, the summary beside it; ``index.html`` shows what was collected, and
``collection.json`` is there when all of it is.
"""

import json
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from ml_collections import ConfigDict
from tqdm import tqdm

from eval_bridge.collection.attempt_log import Attempt, CollectionLog
from eval_bridge.collection.recording import RecordingSettings
from eval_bridge.collection.session import CollectionError, CollectionPlan, collect
from eval_bridge.collection.worker import CollectionTask
from eval_bridge.experts.libero_expert import describe_libero_scene, libero_expert
from eval_bridge.experts.noise import NoiseSettings
from eval_bridge.experts.version import expert_version
from eval_bridge.provenance import package_versions
from eval_bridge.report.collection.page import write_collection_page
from eval_bridge.simulators.libero.environment import LiberoSimulator
from eval_bridge.simulators.libero.renderer import RendererNotFound, choose_renderer
from eval_bridge.simulators.libero.suites import get_suite, select_tasks
from eval_bridge.simulators.start_seeds import FIRST_DEVELOPMENT_SEED, SEEDS_PER_RUN
from launch.config_flags import run
from rsd_jax.atomic_files import write_atomically
from rsd_jax.provenance import git_commit
from rsd_jax.registry import to_dataclass
from rsd_jax.run_folder import COMPLETE, DEMOS_FOLDER, demo_path


def main(config: ConfigDict) -> None:
    """Collects all tasks of `config` and prints a line for each.

    Raises:
        CollectionError: workers crashed again and again, or the expert failed too often.
        ValueError: a value of `config`, or demonstrations that are there already, do not fit.
        OSError: the run folder cannot be written, or is full.
        RendererNotFound: nothing on this machine renders; the message names the packages.
    """
    most = FIRST_DEVELOPMENT_SEED // SEEDS_PER_RUN
    if not 0 <= config.seed < most:
        raise ValueError(
            f"seed={config.seed} must be at least 0 and below {most}: starts from there on are for development"
        )
    suite = get_suite(config.suite)
    noise = to_dataclass(NoiseSettings, config.noise)
    recording = RecordingSettings(suite.max_steps, config.steps_after_success, noise, config.images)
    plan = CollectionPlan(
        demos=config.demos_per_task,
        first_seed=config.seed * SEEDS_PER_RUN,
        workers=config.workers or len(os.sched_getaffinity(0)),
        attempts_per_demo=config.attempts_per_demo,
        silence_limit=config.silence_limit,
    )
    if config.images:
        choose_renderer()  # here, once, where a missing one is an error of the command and not of a worker
    versions = package_versions() | {"expert": expert_version()}
    tasks = [
        CollectionTask(
            suite=suite.name,
            task=name,
            build_simulator=partial(LiberoSimulator, suite.name, name),
            expert=libero_expert,
            describe_scene=partial(describe_libero_scene, suite.name, name, versions),
            recording=recording,
        )
        for name in select_tasks(suite.name, config.tasks)
    ]
    run_dir = Path(config.run_dir)
    folder = run_dir / DEMOS_FOLDER / suite.name
    (folder / COMPLETE).unlink(missing_ok=True)
    provenance = {"versions": versions, "commit": git_commit()}
    for task, log in zip(tasks, _collect_with_progress(tasks, plan, run_dir, provenance), strict=True):
        print(_describe(log, demo_path(run_dir, suite.name, task.task)), flush=True)
    print(f"what they look like: {write_collection_page(folder)}")
    contents = {"suite": suite.name, "tasks": [task.task for task in tasks], "demos_per_task": plan.demos}
    write_atomically(folder / COMPLETE, json.dumps(contents, indent=1) + "\n")


def _collect_with_progress(
    tasks: Sequence[CollectionTask[LiberoSimulator]],
    plan: CollectionPlan,
    run_dir: Path,
    provenance: Mapping[str, object],
) -> list[CollectionLog]:
    with tqdm(total=plan.demos * len(tasks), unit="demo", smoothing=0.05) as bar:

        def show(task: CollectionTask[LiberoSimulator], attempt: Attempt) -> None:
            if attempt.is_success:
                bar.update()
            else:
                bar.write(f"{task.task}: seed {attempt.seed} failed after {attempt.steps} steps: {attempt.reason}")

        return collect(tasks, plan, run_dir, provenance=provenance, on_attempt=show)


def _describe(log: CollectionLog, path: Path) -> str:
    summary = log.summary()
    return (
        f"{summary['successes']} demonstrations ({summary['steps']} steps) from {summary['attempts_made']} attempts, "
        f"{len(summary['failed_seeds'])} failed: {path}"
    )


if __name__ == "__main__":
    run(main, default="configs/demos.py", expected=(ValueError, CollectionError, OSError, RendererNotFound))

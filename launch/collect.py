r"""Records demonstrations of LIBERO tasks by the scripted expert.

    python -m launch.collect --config configs/demos.py:quickstart --config.run_dir=runs/quickstart
    python -m launch.collect --config configs/demos.py:diverse    # every episode in a style of its own
    python -m launch.collect --config configs/demos.py:layouts    # things where nobody put them
    python -m launch.collect --config configs/corrections.py:libero_10 --config.run_dir=runs/second \
        --config.takeover.policy_of=runs/libero_10    # which corrects the mistakes of a policy

Run again after an interruption it goes on where it stopped. The demonstrations of a task are in
``RUN_DIR/demos/SUITE/TASK_demo.hdf5``, those that correct a policy in ``RUN_DIR/demos/SUITE_corrections/``, the
summary beside them; ``index.html`` shows what was collected, and ``collection.json`` is there when all of it is.

On several hosts that share the folder, each records a part of the tasks; the command without a part completes it:

    python -m launch.collect --config configs/demos.py --config.run_dir=runs/NAME --config.shard=0/4
    python -m launch.collect --config configs/demos.py --config.run_dir=runs/NAME
"""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict
from tqdm import tqdm

from eval_bridge.collection.attempt_log import Attempt, CollectionLog
from eval_bridge.collection.session import CollectionError, CollectionPlan, Leader, collect
from eval_bridge.collection.settings import CollectionSettings
from eval_bridge.collection.takeover import TakeoverSettings
from eval_bridge.collection.worker import CollectionTask
from eval_bridge.experts.libero_expert import describe_libero_scene, libero_expert
from eval_bridge.experts.version import expert_version
from eval_bridge.preflight.needed_requirements import require_at_once
from eval_bridge.preflight.needs import collection_needs
from eval_bridge.provenance import package_versions
from eval_bridge.report.collection.page import write_collection_page
from eval_bridge.simulators.libero.environment import LiberoSimulator
from eval_bridge.simulators.libero.layout.starting import draw_start_in_layout
from eval_bridge.simulators.libero.looks.drawing import add_looks
from eval_bridge.simulators.libero.quiet_import import prepare_process
from eval_bridge.simulators.libero.renderer import RendererNotFound
from eval_bridge.simulators.libero.scene_changes import choose_changes
from eval_bridge.workers.shard import WHOLE
from launch.config_flags import run
from rsd_jax.atomic_files import write_atomically
from rsd_jax.provenance import git_commit
from rsd_jax.registry import to_dataclass
from rsd_jax.run_folder import COMPLETE, DEMOS_FOLDER, demo_path


def main(config: ConfigDict) -> None:
    """Collects all tasks of `config`, or those of its part, and prints a line for each.

    Raises:
        CollectionError: workers crashed again and again, or the expert failed too often.
        ValueError: a value of `config`, or demonstrations that are there already, do not fit.
        OSError: the run folder cannot be written, or is full.
        RequirementsNotMet: a package of the simulator is missing, or the disk is too full; the message says which.
        RendererNotFound: nothing on this machine renders; the message names the packages.
    """
    settings = to_dataclass(CollectionSettings, config.to_dict())
    require_at_once([collection_needs(settings)])
    # Here, once, where a missing renderer is an error of the command and not of a worker.
    prepare_process(rendering=settings.images, render_devices=settings.render_devices)
    suite, plan = settings.benchmark, settings.plan
    versions = package_versions() | {"expert": expert_version()}
    scenes = {
        name: choose_changes(suite.name, name, settings.layout, settings.looks, settings.seed)
        for name in settings.task_names
    }
    tasks = [
        CollectionTask(
            suite=suite.name,
            task=name,
            build_simulator=partial(LiberoSimulator, suite.name, name, changes),
            expert=libero_expert,
            describe_scene=partial(describe_libero_scene, suite.name, name, versions, changes),
            recording=settings.recording,
            takeover=settings.takeover if settings.corrects else None,
            draw_start=draw_start_in_layout,
            add_looks=add_looks,
        )
        for name, changes in scenes.items()
    ]
    run_dir = Path(settings.run_dir)
    folder = run_dir / DEMOS_FOLDER / tasks[0].folder
    (folder / COMPLETE).unlink(missing_ok=True)
    provenance = {"versions": versions, "commit": git_commit()}
    leader = _load_leader(settings.takeover) if settings.corrects else None
    logs = _collect_with_progress(tasks, plan, run_dir, provenance, leader)
    for task, log in zip(plan.shard.of(tasks), logs, strict=True):
        print(_describe(log, demo_path(run_dir, task.folder, task.task)), flush=True)
    if plan.shard != WHOLE:
        return
    print(f"what they look like: {write_collection_page(folder)}")
    contents = {"suite": suite.name, "tasks": [task.task for task in tasks], "demos_per_task": plan.demos}
    write_atomically(folder / COMPLETE, json.dumps(contents, indent=1) + "\n")


def _load_leader(takeover: TakeoverSettings) -> Leader:
    """The policy whose mistakes are corrected; JAX is imported for it alone."""
    from eval_bridge.policies.compiled_policy import CompiledPolicy, default_policy_batch
    from eval_bridge.policies.decoders import stages_of_decoder
    from rsd_jax.checkpoints.stage_checkpoints import checkpoint_digests

    run_dir, batch_size = Path(takeover.policy_of), takeover.policy_batch or default_policy_batch()
    policy = CompiledPolicy.load(run_dir, decoder=takeover.decoder, batch_size=batch_size)
    return Leader(policy, checkpoint_digests(run_dir, stages_of_decoder(takeover.decoder)))


def _collect_with_progress(
    tasks: Sequence[CollectionTask[LiberoSimulator]],
    plan: CollectionPlan,
    run_dir: Path,
    provenance: Mapping[str, object],
    leader: Leader | None,
) -> list[CollectionLog]:
    with tqdm(total=plan.demos * len(plan.shard.of(tasks)), unit="demo", smoothing=0.05) as bar:

        def show(task: CollectionTask[LiberoSimulator], attempt: Attempt) -> None:
            if attempt.is_success:
                bar.update()
            else:
                bar.write(f"{task.task}: seed {attempt.seed} failed after {attempt.steps} steps: {attempt.reason}")

        return collect(tasks, plan, run_dir, provenance=provenance, on_attempt=show, leader=leader)


def _describe(log: CollectionLog, path: Path) -> str:
    summary = log.summary()
    return (
        f"{summary['successes']} demonstrations ({summary['steps']} steps) from {summary['attempts_made']} attempts, "
        f"{len(summary['failed_seeds'])} failed{_describe_refused(summary)}: {path}"
    )


def _describe_refused(summary: Mapping[str, Any]) -> str:
    told = ""
    for what in ("layouts", "looks"):
        refused: Mapping[str, int] = summary.get(f"refused_{what}", {})
        reasons = ", ".join(f"{reason} {count}" for reason, count in refused.items())
        told += f", {sum(refused.values())} {what} drawn again ({reasons})" if refused else ""
    return told


if __name__ == "__main__":
    run(main, default="configs/demos.py", expected=(ValueError, CollectionError, OSError, RendererNotFound))

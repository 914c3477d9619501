"""What the arms reached, over all sets and seeds, and a table of it."""

from collections.abc import Sequence
from pathlib import Path

from eval_bridge.provenance import package_versions
from eval_bridge.report.markdown import markdown_table
from eval_bridge.runs.arms.demonstrations import digest_of_demonstrations
from eval_bridge.runs.arms.plan import Branch, Plan
from eval_bridge.runs.arms.settings import ArmsSettings
from eval_bridge.runs.run_record import read_collections
from eval_bridge.runs.success_records import Record, paired_record, success_record, write_difference
from rsd_jax.content_check import read_checked_json
from rsd_jax.provenance import git_commit
from rsd_jax.run_folder import METRICS_NAME, SUMMARY_NAME
from rsd_jax.training.demonstrations import demonstration_files

MISSING = "-"

_OF_COLLECTION = ("seed", "noise", "style")
"""Settings of the collection that say what the demonstrations show."""


def collect_results(config: ArmsSettings, plan: Plan) -> Record:
    """What the arms reached that are evaluated on all sets with all seeds, as JSON values.

    ``paired`` compares an arm with the base on the same starts (`paired_record`).
    """
    by_arm = {arm: [branch for branch in plan.branches if arm in branch.evaluations] for arm in config.chosen}
    complete = {arm: found for arm, found in by_arm.items() if found and all(each.has_result(arm) for each in found)}
    runs = [run for branch in plan.branches for run in _trainings(branch)]
    return {
        "arms": {arm: _arm(config, arm, found, complete.get(config.base)) for arm, found in complete.items()},
        "base": config.base,
        "branches": {name: dict(changes) for name, changes in config.branches.items()},
        "data": {name: _data(config, name) for name in config.chosen_sets},
        "seeds": list(config.seeds),
        "simulator": config.simulator,
        "variant": config.variant,
        "steps": dict(config.steps),
        "changes": {stage: list(changes) for stage, changes in config.changes.items()},
        "trainings": runs,
        "device": ", ".join(sorted({run["device"] for run in runs})),
        "commit": git_commit(),
        "versions": package_versions(),
    }


def _arm(config: ArmsSettings, name: str, branches: Sequence[Branch], base: Sequence[Branch] | None) -> Record:
    arm = config.arm(name)
    runs = [_run(branch, name) for branch in branches]
    sets = {}
    for task_set in config.chosen_sets:
        own = [run for branch, run in zip(branches, runs, strict=True) if branch.task_set == task_set]
        tasks = sorted({task for run in own for task in run["per_task"]}, key=int)
        sets[task_set] = {
            **_pooled(own),
            "per_task": {task: sum(run["per_task"][task] for run in own) for task in tasks},
            "runs": own,
        }
    paired = None
    if base is not None and name != config.base:
        of_base = {(branch.task_set, branch.seed): branch for branch in base}
        paired = paired_record(
            config.base,
            [
                (of_base[each.task_set, each.seed].evaluations[config.base].output, each.evaluations[name].output)
                for each in branches
            ],
        )
    return {
        "branch": arm.branch,
        "decoder": arm.decoder,
        "settings": arm.settings,
        "settings_tried": arm.settings_tried,
        **_pooled(runs),
        "paired": paired,
        "sets": sets,
    }


def _pooled(runs: Sequence[Record]) -> Record:
    return success_record(sum(run["successes"] for run in runs), sum(run["episodes"] for run in runs))


def _run(branch: Branch, arm: str) -> Record:
    summary = read_checked_json(branch.evaluations[arm].output / SUMMARY_NAME)
    return {
        "seed": branch.seed,
        "successes": summary["successes"],
        "episodes": summary["episodes"],
        "per_task": {str(task["task_index"]): task["successes"] for task in summary["per_task"]},
        "rounds_mean": summary["rounds_mean"],
        "token_acceptance": summary["token_acceptance"],
    }


def _trainings(branch: Branch) -> list[Record]:
    """The trainings of a branch that are finished, each with its numeric held-out metrics."""
    found = []
    for name, stage in branch.needed_trainings.items():
        if not stage.is_finished(stage.output):
            continue
        metrics = read_checked_json(stage.output / METRICS_NAME)
        training = metrics.pop("training")
        found.append(
            {
                "set": branch.task_set,
                "branch": branch.name,
                "seed": branch.seed,
                "stage": name,
                "configuration": branch.record["configurations"][name],
                "steps": training["steps"],
                "best_step": training["best_step"],
                "seconds": training["seconds"],
                "device": f"{training['num_devices']} x {training['device']}",
                "heldout": {key: value for key, value in metrics.items() if isinstance(value, int | float)},
            }
        )
    return found


def _data(config: ArmsSettings, name: str) -> Record:
    """What a set's demonstrations are; of a collection also how it was asked for."""
    tasks = config.task_set(name)
    run_dir = Path(tasks.run_dir)
    collections = read_collections(run_dir)
    settings = collections[0]["settings"] if collections else {}
    return {
        "run_dir": tasks.run_dir,
        "suite": tasks.suite,
        "tasks": list(tasks.tasks),
        "episodes_per_task": tasks.episodes_per_task,
        "demonstrations": sum(each["successes"] for each in collections) if collections else None,
        "demonstration_files": len(collections) or len(demonstration_files(run_dir)),
        "digest": digest_of_demonstrations(run_dir),
        **{key: settings[key] for key in _OF_COLLECTION if key in settings},
    }


def write_table(results: Record) -> str:
    """A row an arm: its success on every set and on all, beside the base, and what its decoding took."""
    sets = list(results["data"])
    header = ["arm", "networks", "decoder", *sets, *(["all"] if len(sets) > 1 else [])]
    header += [f"against `{results['base']}`", "p", "passes"]
    return markdown_table(header, [_row(name, arm, sets) for name, arm in results["arms"].items()])


def _row(name: str, arm: Record, sets: Sequence[str]) -> list[str]:
    decoder = " ".join([f"`{arm['decoder']}`", *([f"`{arm['settings']}`"] if arm["settings"] else [])])
    cells = [_cell(arm["sets"][each]) for each in sets] + ([_cell(arm)] if len(sets) > 1 else [])
    rounds = [run["rounds_mean"] for each in sets for run in arm["sets"][each]["runs"]]
    passes = MISSING if None in rounds or not any(rounds) else f"{sum(rounds) / len(rounds):.2f}"
    return [name, arm["branch"], decoder, *cells, *write_difference(arm["paired"]), passes]


def _cell(success: Record) -> str:
    low, high = success["interval"]
    return f"{success['successes']} of {success['episodes']} ({low:.0%} to {high:.0%})"

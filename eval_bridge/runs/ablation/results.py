"""The results of ablations: of every policy its held-out metrics and its success, beside the base."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from eval_bridge.provenance import package_versions
from eval_bridge.report.markdown import markdown_table
from eval_bridge.runs.ablation.trials import DECODER, SHARED, AblationSettings, Trial
from eval_bridge.runs.development import DevelopmentEvaluation
from eval_bridge.runs.success_records import Record, paired_record, success_record, write_difference
from rsd_jax.content_check import read_checked_json
from rsd_jax.provenance import git_commit
from rsd_jax.run_folder import METRICS_NAME, SUMMARY_NAME

MISSING = "-"
POOLED = ", in which the same start with another training seed counts as another episode"

COLUMNS = (
    ("held-out L1", "heldout_l1"),
    ("reworded", "heldout_l1_reworded"),
    ("no images", "heldout_l1_zeroed_images"),
    ("gripper", "heldout_gripper_accuracy"),
)
"""Held-out metrics in the table; the file has all."""


def collect_results(config: AblationSettings, trials: Sequence[Trial]) -> Record:
    """What the complete ones of `trials` found, as JSON values.

    Steps a second are those of the whole training, compiling included, while evaluations of others may have run.
    ``paired`` counts episodes that the base alone (b) and the policy alone (c) solved, and the difference of their
    success rates, positive where the policy is better. ``further`` has development and pairs by simulator, of a file
    with several.
    """
    complete = [trial for trial in trials if trial.is_complete]
    base = {trial.seed: trial for trial in complete if trial.name == config.base}
    variants = {}
    for name in dict.fromkeys(trial.name for trial in complete):
        own = [trial for trial in complete if trial.name == name]
        variants[name] = _variant(own, {} if name == config.base else base)
    devices = sorted({run["device"] for variant in variants.values() for run in variant["seeds"]})
    return {
        "run_dir": config.run_dir,
        "shared": {name: trials[0].record[name] for name in SHARED},
        "base": config.base,
        "policy": trials[0].record["policy"],
        "steps": config.steps,
        "seeds": list(config.seeds),
        "heldout_only": config.heldout_only,
        "evaluation": None if config.heldout_only else _evaluation(config.evaluation),
        **({"further_simulators": list(config.further_simulators)} if config.further_simulators else {}),
        "variants": variants,
        "device": ", ".join(devices),
        "commit": git_commit(),
        "versions": package_versions(),
    }


def _evaluation(evaluation: DevelopmentEvaluation) -> Record:
    return {**asdict(evaluation), "tasks": list(evaluation.tasks), "decoder": DECODER}


def _variant(trials: Sequence[Trial], base: dict[int, Trial]) -> Record:
    runs = [_run(trial) for trial in trials]
    names = [name for name, value in runs[0]["heldout"].items() if isinstance(value, int | float)]
    record: Record = {
        "overrides": runs[0]["overrides"],
        "heldout": {name: float(np.mean([run["heldout"][name] for run in runs])) for name in names},
        "training_seconds": float(np.mean([run["training_seconds"] for run in runs])),
        "steps_per_second": float(np.mean([run["steps_per_second"] for run in runs])),
        "development": None,
        "paired": None,
        "seeds": runs,
    }
    pairs = [(base[trial.seed], trial) for trial in trials if trial.seed in base]
    if trials[0].evaluation is not None:
        record |= _judged([run["development"] for run in runs], [_outputs(pair) for pair in pairs], pairs)
    if trials[0].further:
        record["further"] = {
            name: _judged([run["further"][name] for run in runs], [_outputs(pair, name) for pair in pairs], pairs)
            for name in trials[0].further
        }
    return record


_Pair = tuple[Trial, Trial]


def _judged(runs: Sequence[Record], folders: Sequence[tuple[Path, Path]], pairs: Sequence[_Pair]) -> Record:
    """Successes of all seeds, and the pairs against the base."""
    successes, episodes = (sum(run[key] for run in runs) for key in ("successes", "episodes"))
    return {
        "development": success_record(successes, episodes),
        "paired": paired_record(pairs[0][0].name, folders) if pairs else None,
    }


def _outputs(pair: _Pair, simulator: str = "") -> tuple[Path, Path]:
    """Folders of the evaluations of two trials, in one of the further simulators or in the first one."""
    first, second = (trial.further[simulator] if simulator else trial.evaluation for trial in pair)
    assert first is not None
    assert second is not None
    return first.output, second.output


def _run(trial: Trial) -> Record:
    metrics: Record = read_checked_json(trial.training.output / METRICS_NAME)
    training = metrics.pop("training")
    record = {
        "seed": trial.seed,
        "overrides": trial.record["overrides"],
        "steps": training["steps"],
        "best_step": training["best_step"],
        "device": f"{training['num_devices']} x {training['device']}",
        "training_seconds": training["seconds"],
        "steps_per_second": training["steps"] / training["seconds"],
        "heldout": metrics,
    }
    if trial.evaluation is not None:
        record["development"] = _successes(trial.evaluation.output)
    if trial.further:
        record["further"] = {name: _successes(stage.output) for name, stage in trial.further.items()}
    return record


def _successes(evaluation: Path) -> Record:
    summary = read_checked_json(evaluation / SUMMARY_NAME)
    per_task = {str(task["task_index"]): task["successes"] for task in summary["per_task"]}
    return {**success_record(summary["successes"], summary["episodes"]), "per_task": per_task}


def write_table(results: Record, source: Path) -> str:
    """A row a policy, and where the figures come from."""
    further = results.get("further_simulators", [])
    header = ["policy", "changes", *(name for name, _ in COLUMNS), "steps/s", "success", "against base", "p"]
    for simulator in further:
        header += [f"success in {simulator}", "against base", "p"]
    rows = [_row(name, record, further) for name, record in results["variants"].items()]
    evaluation = results["evaluation"]
    starts = f"{evaluation['simulator']} starts of {evaluation['suite']}" if evaluation else "no episodes"
    if evaluation and further:
        starts += f", and those in {', '.join(further)}"
    made = (
        f"`{results['policy']}`, seeds {', '.join(map(str, results['seeds']))}, {results['device'] or 'no device'}, "
        f"jax {results['versions']['jax']}, commit `{(results['commit'] or 'unknown')[:10]}`; {starts}, "
        f"95 % intervals{POOLED if len(results['seeds']) > 1 else ''}. All figures: [`{source.name}`]({source.name})."
    )
    return f"{markdown_table(header, rows)}\n\n{made}\n"


def _row(name: str, record: Record, further: Sequence[str]) -> list[str]:
    heldout = record["heldout"]
    cells = [name, "<br>".join(f"`{change}`" for change in record["overrides"]) or MISSING]
    cells += [f"{heldout[key]:.4f}" if key in heldout else MISSING for _, key in COLUMNS]
    cells.append(f"{record['steps_per_second']:.1f}")
    for judged in (record, *(record.get("further", {}).get(simulator, {}) for simulator in further)):
        cells += [_success(judged.get("development")), *write_difference(judged.get("paired"))]
    return cells


def _success(success: Record | None) -> str:
    if success is None:
        return MISSING
    return f"{success['successes']} of {success['episodes']} ({_percents(success['interval'])})"


def _percents(interval: Sequence[float]) -> str:
    return f"{interval[0]:.1%} to {interval[1]:.1%}"

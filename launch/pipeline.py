"""Chains all stages of one run: demonstrations, the four trainings, the evaluation.

    python -m launch.pipeline --config configs/quickstart.py
    python -m launch.pipeline --config configs/quickstart.py --config.run_dir=runs/second --config.seed=1
    python -m launch.pipeline --config configs/quickstart.py --config.from_stage=draft

A stage whose output is complete is skipped. When a stage runs, what later stages had made from its old output moves to
``RUN_DIR/replaced/``; nothing is deleted. Each stage is a command of its own, printed as it starts, logged in
``RUN_DIR/logs/STAGE.log``.
"""

import json
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from eval_bridge.collection import COMPLETE
from eval_bridge.summary import write_atomically
from launch.config_flags import run
from launch.stage_process import PipelineStage, StageFailure, run_stage

RUN_RECORD = "pipeline.json"
LOG_FOLDER = "logs"
REPLACED_FOLDER = "replaced"


def stages_of(run_dir: Path, variant: str, seed: int) -> list[PipelineStage]:
    """The stages of a run in order, each with the command that makes its output."""

    def command(launcher: str, config: str) -> list[str]:
        call = [sys.executable, "-m", f"launch.{launcher}", "--config", f"configs/{config}.py:{variant}"]
        # The evaluation's seed belongs to its protocol, not to the run.
        seeded = [] if launcher == "evaluate" else [f"--config.seed={seed}"]
        return [*call, f"--config.run_dir={run_dir}", *seeded]

    return [
        PipelineStage("collect", run_dir / "demos", command("collect", "demos"), _has_all_demos),
        *(
            PipelineStage(name, run_dir / name, command("train", name), _has_final_metrics)
            for name in ("rfsq", "policy", "draft", "main_head")
        ),
        PipelineStage("evaluate", run_dir / "evaluation", command("evaluate", "libero_eval"), _has_all_episodes),
    ]


def run_pipeline(stages: Sequence[PipelineStage], run_dir: Path, from_stage: str = "") -> None:
    """Runs the stages that are not finished, in order, and says so on standard output.

    Args:
        stages: all stages, each reading what those before it made.
        run_dir: folder of the run, for logs and replaced outputs.
        from_stage: name of the stage from which on everything is made anew; empty for none.

    Raises:
        ValueError: no stage is called `from_stage`.
        StageFailure: a stage failed; the later ones were not started.
        OSError: `run_dir` cannot be written.
    """
    names = [stage.name for stage in stages]
    if from_stage and from_stage not in names:
        raise ValueError(f"from_stage={from_stage!r} is not a stage; choose one of {', '.join(names)}")
    finished = [stage.is_finished(stage.output) for stage in stages]
    first = finished.index(False) if False in finished else len(stages)
    # An unfinished stage goes on where it was interrupted; what later stages hold came from inputs that now change.
    first_stale = first + 1
    if from_stage:
        first_stale = min(first_stale, names.index(from_stage))
        first = min(first, first_stale)
    _set_aside([stage.output for stage in stages[first_stale:] if stage.output.exists()], run_dir)

    log_folder = run_dir / LOG_FOLDER
    log_folder.mkdir(parents=True, exist_ok=True)
    for index, stage in enumerate(stages):
        label = f"[{index + 1}/{len(stages)}] {stage.name:<9}"
        if index < first:
            print(f"{label} already there: {stage.output}", flush=True)
            continue
        print(f"{label} {stage}", flush=True)
        seconds = run_stage(stage, log_folder / f"{stage.name}.log", sys.stdout)
        _record_seconds(run_dir, stage.name, seconds)
        print(f"{label} finished in {seconds:.0f} s", flush=True)


def check_same_run(run_dir: Path, variant: str, seed: int, from_stage: str) -> None:
    """Records what `run_dir` is made with, or checks it against what it was made with.

    Raises:
        ValueError: the folder was made with another variant or seed.
        OSError: the folder cannot be written.
    """
    record_path = run_dir / RUN_RECORD
    wanted = {"variant": variant, "seed": seed}
    if record_path.exists() and from_stage != "collect":
        recorded = json.loads(record_path.read_text())
        for name, value in wanted.items():
            if recorded[name] != value:
                raise ValueError(
                    f"{run_dir} was made with {name}={recorded[name]!r}, and {name}={value!r} is asked: name another "
                    "folder (--config.run_dir=...) or make everything anew (--config.from_stage=collect)"
                )
        return
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        write_atomically(record_path, json.dumps(wanted, indent=1) + "\n")
    except OSError as error:
        raise OSError(f"cannot write the run folder: {error}; name another with --config.run_dir=...") from error


def _record_seconds(run_dir: Path, stage: str, seconds: float) -> None:
    """Adds what a stage took, start to end of its process, to the run's record."""
    path = run_dir / RUN_RECORD
    record = _read_json(path) if path.exists() else {}
    spent = record.setdefault("stage_seconds", {})
    spent[stage] = round(spent.get(stage, 0.0) + seconds, 1)
    write_atomically(path, json.dumps(record, indent=1) + "\n")


def describe_result(run_dir: Path) -> str:
    """What the evaluation found, from its ``summary.json``."""
    summary = _read_json(run_dir / "evaluation" / "summary.json")
    low, high = summary["success_interval"]
    lines = [
        f"success     {summary['successes']}/{summary['episodes']} = {summary['success_rate']:.0%} "
        f"(95 % interval {low:.0%} to {high:.0%}), {summary['errors']} errors",
    ]
    if summary["token_acceptance"] is not None:
        lines.append(f"acceptance  {summary['token_acceptance']:.1%} of the draft's tokens ({summary['decoder']})")
    return "\n".join([*lines, f"report      {run_dir / 'evaluation' / 'report.html'}"])


def _has_all_demos(output: Path) -> bool:
    return any(output.glob(f"*/{COMPLETE}"))


def _has_final_metrics(output: Path) -> bool:
    return (output / "metrics.json").is_file()


def _has_all_episodes(output: Path) -> bool:
    if not (output / "summary.json").is_file() or not (output / "report.html").is_file():
        return False
    summary = _read_json(output / "summary.json")
    return bool(summary["episodes"] == summary["planned"])


def _read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def _set_aside(outputs: Sequence[Path], run_dir: Path) -> None:
    if not outputs:
        return
    folder = run_dir / REPLACED_FOLDER / datetime.now().strftime("%Y%m%d-%H%M%S-%f")
    folder.mkdir(parents=True)
    for output in outputs:
        output.rename(folder / output.name)
    print(f"moved to {folder}: {', '.join(output.name for output in outputs)}", flush=True)


def main(config: ConfigDict) -> None:
    """Runs the pipeline that `config` describes and prints its result."""
    started = time.monotonic()
    run_dir = Path(config.run_dir)
    check_same_run(run_dir, config.variant, config.seed, config.from_stage)
    run_pipeline(stages_of(run_dir, config.variant, config.seed), run_dir, config.from_stage)
    minutes = (time.monotonic() - started) / 60
    print(f"\n{describe_result(run_dir)}\ntime        {minutes:.1f} min (budget {config.budget_minutes} on 2 cores)")


if __name__ == "__main__":
    run(main, expected=(ValueError, OSError, StageFailure))

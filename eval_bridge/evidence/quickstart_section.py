"""The section about the small pipeline: the figures of its runs, and their table."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from eval_bridge.evidence.figures_in_words import (
    describe_source,
    write_accuracy_by_layer,
    write_chunk_time,
    write_commit,
    write_percents,
    write_success,
)
from eval_bridge.report.markdown import markdown_table
from eval_bridge.runs.run_record import pipeline_command, read_collections, read_result
from eval_bridge.statistics.intervals import Interval
from rsd_jax.run_folder import HEADLINE, METRICS_NAME, RUN_RECORD, SUMMARY_NAME, TRAINED_STAGES

SECTION = "results"

Run = dict[str, Any]


def read_run(run_dir: Path) -> Run:
    """The figures of one finished run.

    Raises:
        ValueError: a stage of the run is not finished.
    """

    def read(name: str) -> Any:
        return read_result(run_dir / name, pipeline_command(run_dir))

    record, summary = read(RUN_RECORD), read(f"{HEADLINE}/{SUMMARY_NAME}")
    collected = read_collections(run_dir)
    return {
        "variant": record["variant"],
        "seed": record["seed"],
        "stage_seconds": record["stage_seconds"],
        "demonstrations": sum(log["successes"] for log in collected),
        "demonstration_attempts": sum(log["attempts_made"] for log in collected),
        **{stage: read(f"{stage}/{METRICS_NAME}") for stage in TRAINED_STAGES},
        "evaluation": summary,
        "commit": summary["commit"],
        "device": summary["device"],
        "versions": summary["versions"],
    }


def table(runs: Sequence[Run]) -> str:
    """The table, a column a run."""
    rows: list[tuple[str, Callable[[Run], str]]] = [
        ("success of `speculative_greedy`, evaluation states", _success),
        ("token acceptance, rounds a chunk (8 is layer by layer)", _acceptance),
        ("token acceptance by layer", lambda run: write_percents(run["evaluation"]["layer_acceptance"])),
        ("one chunk of 8 actions, p50 / p99", _latency),
        ("tokenizer: held-out error after 1 .. 8 layers, tokens alone", _token_errors),
        ("policy: held-out L1, and with the images blanked", _policy_error),
        ("draft: accuracy by layer, teacher's tokens", lambda run: write_accuracy_by_layer(run["draft"])),
        (
            "main head: accuracy L0-L7, teacher-forced, teacher's tokens",
            lambda run: write_accuracy_by_layer(run["main_head"]),
        ),
        (
            "the same on the demonstrations' tokens",
            lambda run: write_accuracy_by_layer(run["main_head"], "_demonstrations"),
        ),
        ("demonstrations (attempts)", lambda run: f"{run['demonstrations']} ({run['demonstration_attempts']})"),
        ("minutes, all stages", lambda run: f"{sum(run['stage_seconds'].values()) / 60:.1f}"),
        ("commit", lambda run: write_commit(run["commit"])),
    ]
    header = ["", *(f"seed {run['seed']}" for run in runs)]
    return markdown_table(header, [[name, *map(cell, runs)] for name, cell in rows])


def describe(runs: Sequence[Run], results: Path, document: Path) -> str:
    """The section of `document`: the table, and where its figures come from."""
    source = describe_source(runs[0]["device"], runs[0]["versions"], results, document, "record")
    return (
        f"{table(runs)}\n\n"
        "Accuracies stand beside the majority class in brackets, in per cent. The tokenizer's errors are mean squares "
        f"over the six motion dimensions, in half-ranges. {source}"
    )


def _success(run: Run) -> str:
    summary = run["evaluation"]
    interval = Interval(*summary["success_interval"])
    return write_success(summary["successes"], summary["episodes"], interval)


def _acceptance(run: Run) -> str:
    return f"{run['evaluation']['token_acceptance']:.1%}, {run['evaluation']['rounds_mean']:.2f}"


def _latency(run: Run) -> str:
    chunk = run["evaluation"]["latency_ms"]["chunk"]
    return write_chunk_time(chunk["p50"], chunk["p99"])


def _token_errors(run: Run) -> str:
    return " ".join(f"{error:.1e}" for error in run["rfsq"]["heldout_token_mse_by_layer"])


def _policy_error(run: Run) -> str:
    return f"{run['policy']['heldout_l1']:.3f}, {run['policy']['heldout_l1_zeroed_images']:.3f}"

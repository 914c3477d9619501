"""Keeps the figures of finished runs: one JSON file, and the README's table made from it.

    python -m launch.record runs/quickstart runs/second --results results/quickstart.json --readme README.md

Nothing is computed here: every figure is copied from what the stages of the runs wrote.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from eval_bridge.summary import write_atomically
from launch.pipeline import RUN_RECORD

BEGIN, END = "<!-- results -->", "<!-- /results -->"
TRAINED = ("rfsq", "policy", "draft", "main_head")

Run = dict[str, Any]


def read_run(run_dir: Path) -> Run:
    """The figures of one finished run.

    Raises:
        ValueError: a stage of the run is not finished.
    """

    def read(name: str) -> Any:
        path = run_dir / name
        if not path.is_file():
            raise ValueError(f"{path} does not exist; finish the run: python -m launch.pipeline")
        return json.loads(path.read_text())

    record, summary = read(RUN_RECORD), read("evaluation/summary.json")
    collected = [json.loads(path.read_text()) for path in sorted((run_dir / "demos").glob("*/*_demo.json"))]
    return {
        "variant": record["variant"],
        "seed": record["seed"],
        "stage_seconds": record["stage_seconds"],
        "demonstrations": sum(log["successes"] for log in collected),
        "demonstration_attempts": sum(log["attempts_made"] for log in collected),
        **{stage: read(f"{stage}/metrics.json") for stage in TRAINED},
        "evaluation": summary,
        "commit": summary["commit"],
        "device": summary["device"],
        "versions": summary["versions"],
    }


def table(runs: Sequence[Run]) -> str:
    """The README's table, a column a run."""
    rows: list[tuple[str, Callable[[Run], str]]] = [
        ("success of `speculative_greedy`, evaluation states", _success),
        ("token acceptance, rounds a chunk (8 is layer by layer)", _acceptance),
        ("token acceptance by layer", lambda run: _percents(run["evaluation"]["layer_acceptance"])),
        ("one chunk of 8 actions, p50 / p99", _latency),
        ("tokenizer: held-out error after 1 .. 8 layers, tokens alone", _token_errors),
        ("policy: held-out L1, and with the images blanked", _policy_error),
        ("draft: accuracy L0-L2, teacher's tokens", lambda run: _accuracy(run["draft"])),
        ("main head: accuracy L0-L7, teacher-forced, teacher's tokens", lambda run: _accuracy(run["main_head"])),
        ("the same on the demonstrations' tokens", lambda run: _accuracy(run["main_head"], "_demonstrations")),
        ("demonstrations (attempts)", lambda run: f"{run['demonstrations']} ({run['demonstration_attempts']})"),
        ("minutes, all stages", lambda run: f"{sum(run['stage_seconds'].values()) / 60:.1f}"),
        ("commit", lambda run: f"`{(run['commit'] or 'unknown')[:10]}`"),
    ]
    header = ["", *(f"seed {run['seed']}" for run in runs)]
    lines = [header, ["---"] * len(header), *([name, *(cell(run) for run in runs)] for name, cell in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def describe(runs: Sequence[Run], results: Path) -> str:
    """The README's section: the table, and where its figures come from."""
    device, versions = runs[0]["device"], runs[0]["versions"]
    packages = ", ".join(f"{name} {versions[name]}" for name in ("jax", "flax", "mujoco") if name in versions)
    return (
        f"{table(runs)}\n\n"
        "Accuracies stand beside the majority class in brackets, in per cent. The tokenizer's errors are mean squares "
        f"over the six motion dimensions, in half-ranges. Device: {device}; {packages}. "
        f"All figures: [`{results}`]({results}), written with this table by `python -m launch.record`."
    )


def insert(readme: str, section: str) -> str:
    """`readme` with `section` between its two markers.

    Raises:
        ValueError: a marker is missing.
    """
    if BEGIN not in readme or END not in readme:
        raise ValueError(f"the readme has no place for results: it needs the lines {BEGIN} and {END}")
    before, _, rest = readme.partition(BEGIN)
    return f"{before}{BEGIN}\n{section}\n{END}{rest.partition(END)[2]}"


def _success(run: Run) -> str:
    summary = run["evaluation"]
    low, high = summary["success_interval"]
    return f"**{summary['successes']} of {summary['episodes']}** ({low:.0%} to {high:.0%})"


def _acceptance(run: Run) -> str:
    return f"{run['evaluation']['token_acceptance']:.1%}, {run['evaluation']['rounds_mean']:.2f}"


def _latency(run: Run) -> str:
    chunk = run["evaluation"]["latency_ms"]["chunk"]
    return f"{chunk['p50']:.1f} / {chunk['p99']:.1f} ms"


def _token_errors(run: Run) -> str:
    return " ".join(f"{error:.1e}" for error in run["rfsq"]["heldout_token_mse_by_layer"])


def _policy_error(run: Run) -> str:
    return f"{run['policy']['heldout_l1']:.3f}, {run['policy']['heldout_l1_zeroed_images']:.3f}"


def _accuracy(metrics: dict[str, Any], labels: str = "") -> str:
    accuracy, majority = metrics[f"accuracy_by_layer{labels}"], metrics[f"majority_by_layer{labels}"]
    return " ".join(f"{100 * a:.0f}({100 * m:.0f})" for a, m in zip(accuracy, majority, strict=True))


def _percents(values: Sequence[float | None]) -> str:
    return " ".join("-" if value is None else f"{100 * value:.0f}" for value in values)


def main(arguments: Sequence[str]) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m launch.record", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN_DIR", help="folder of a finished pipeline")
    parser.add_argument("--results", required=True, type=Path, metavar="FILE", help="where the figures are kept")
    parser.add_argument("--readme", type=Path, metavar="FILE", help="also put the table between its markers")
    options = parser.parse_args(arguments)
    try:
        runs = [read_run(run_dir) for run_dir in options.runs]
        options.results.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(options.results, json.dumps({"runs": runs}, indent=1) + "\n")
        if options.readme is not None:
            section = describe(runs, options.results)
            write_atomically(options.readme, insert(options.readme.read_text(encoding="utf-8"), section))
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    print(table(runs))


if __name__ == "__main__":
    main(sys.argv[1:])

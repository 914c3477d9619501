r"""Compares two evaluations on the same initial states: two decoders, or two checkpoints.

    python -m launch.compare runs/NAME/evaluation_autoregressive runs/NAME/evaluation --out comparison.json

Differences are second minus first. The table is printed; the figures go to the JSON file, and a page to read to the
HTML file beside it.
"""

import argparse
import sys
from collections.abc import Sequence

from eval_bridge.evaluation.comparison import Comparison, compare_folders, write_comparison
from eval_bridge.report.evaluation.comparison import write_comparison_page
from launch.command_line import path_argument, run_command


def describe(comparison: Comparison) -> str:
    """The comparison as text: warnings, the table by task, the test and the interval."""
    first, second, counts = comparison.first.name, comparison.second.name, comparison.counts
    rows: list[tuple[str, ...]] = [("task", "episodes", first, second, f"{first} only", f"{second} only")]
    for task in comparison.per_task:
        own = task.counts
        solved = (own.first_successes, own.second_successes, own.first_only, own.second_only)
        rows.append((f"{task.task_index} {task.task.replace('_', ' ')}", *map(str, (own.episodes, *solved))))
    total = (counts.episodes, counts.first_successes, counts.second_successes, counts.first_only, counts.second_only)
    rows.append(("all", *map(str, total)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [f"warning: {warning}" for warning in comparison.warnings]
    for name, *numbers in rows:
        cells = (number.rjust(width) for number, width in zip(numbers, widths[1:], strict=True))
        lines.append("  ".join([name.ljust(widths[0]), *cells]))
    low, high = (100 * bound for bound in comparison.interval)
    lines.append(
        f"difference {100 * comparison.difference:+.1f} points (95 % bootstrap interval {low:+.1f} to {high:+.1f}), "
        f"exact McNemar test p = {comparison.p_value:.3g}"
    )
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m launch.compare", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("first", type=path_argument, metavar="FIRST", help="folder of an evaluation")
    parser.add_argument("second", type=path_argument, metavar="SECOND", help="folder of the one to compare with it")
    parser.add_argument(
        "--out", type=path_argument, metavar="FILE.json", help="where the figures go; the page lies beside it"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    options = parser.parse_args(arguments)
    if options.out is not None and options.out.suffix != ".json":
        raise ValueError(f"--out={options.out} must end in .json; the page gets the same name with .html")
    comparison = compare_folders(options.first, options.second, seed=options.seed)
    if options.out is not None:
        write_comparison(options.out, comparison)
        write_comparison_page(options.out.with_suffix(".html"), comparison)
    print(describe(comparison))


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1:]))

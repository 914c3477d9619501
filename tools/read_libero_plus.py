r"""Makes the list of LIBERO-Plus's cases that evaluations draw from, from a checkout of it.

    git clone https://github.com/sylvestf/LIBERO-plus /tmp/libero_plus
    python -m tools.read_libero_plus /tmp/libero_plus

Reads ``libero/libero/benchmark/task_classification.json``, in which each case is a name and a level, and writes the
cases of the three dimensions that are parameters. Nothing of it is imported or run.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval_bridge.simulators.libero.suites import get_suite
from eval_bridge.simulators.perturbation.cases import CASES_NAME
from eval_bridge.simulators.perturbation.choice import KINDS
from launch.command_line import path_argument, run_command
from rsd_jax.atomic_files import write_atomically

CLASSIFICATION = Path("libero/libero/benchmark/task_classification.json")
CASES = Path("eval_bridge/simulators/perturbation") / CASES_NAME

_NAME = re.compile(
    r"(?P<task>.+)_view_(?P<camera>\d+(_\d+){4})_initstate_(?P<robot_start>\d+)(_noise_(?P<noise>\d+))?"
)
_UNMOVED = {"camera": "0_0_100_0_0", "robot_start": "0", "noise": None}


def read_cases(classification: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Suite -> task -> kind -> level -> values of its cases with blanks between them, in their order.

    Raises:
        ValueError: a case is of no task, or changes something else than its dimension says.
    """
    cases: dict[str, Any] = {}
    for suite, entries in classification.items():
        tasks: dict[str, Any] = {task: {kind: {} for kind in KINDS} for task in get_suite(suite).tasks}
        for entry in entries:
            kind = next((kind for kind, dimension in KINDS.items() if dimension == entry["category"]), None)
            if kind is None:
                continue
            found = _NAME.fullmatch(entry["name"])
            if found is None or found["task"] not in tasks:
                raise ValueError(f"{entry['name']!r} of {suite} names no task with a view and a start")
            if any(found[other] != unmoved for other, unmoved in _UNMOVED.items() if other != kind):
                raise ValueError(f"{entry['name']!r} of {suite} is no case of {entry['category']} alone")
            tasks[found["task"]][kind].setdefault(str(entry["difficulty_level"]), []).append(found[kind])
        for kinds in tasks.values():
            for levels in kinds.values():
                levels.update({level: " ".join(values) for level, values in levels.items()})
        cases[suite] = {
            task: {kind: dict(sorted(levels.items())) for kind, levels in kinds.items()}
            for task, kinds in tasks.items()
        }
    return cases


def main(arguments: Sequence[str]) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.read_libero_plus", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("checkout", type=path_argument, help="of LIBERO-Plus")
    parser.add_argument("--out", type=path_argument, default=CASES, metavar="FILE.json", help=f"default: {CASES}")
    options = parser.parse_args(arguments)
    classification = json.loads((options.checkout / CLASSIFICATION).read_text(encoding="utf-8"))
    git = ["git", "-C", str(options.checkout), "rev-parse", "HEAD"]
    commit = subprocess.run(git, check=True, capture_output=True, text=True).stdout.strip()
    source = {"repository": "https://github.com/sylvestf/LIBERO-plus", "commit": commit, "file": str(CLASSIFICATION)}
    write_atomically(options.out, json.dumps({"source": source, "cases": read_cases(classification)}, indent=1) + "\n")
    print(options.out)


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1:]), expected=(ValueError, OSError, subprocess.CalledProcessError))

"""Plans training on many GPUs from what one and two of them have done.

    python -m launch.plan_scaling --document docs/scaling.md                  # from results/scaling.json
    python -m launch.plan_scaling --measured 1:18900 2:35800 2:28700:128:2 --document docs/scaling.md
    python -m launch.plan_scaling --again --document docs/scaling.md          # table and plot alone

A cost model of a step (operations and bytes by tracing the networks, seconds by least squares from the measured steps)
says what more devices would do, and where it breaks. Writes the figures, puts them between the document's markers, and
draws a plot beside it. Nothing is trained; half a minute, most of it to trace OpenVLA's 7B.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from eval_bridge.evidence.scaling_section import SECTION, describe
from eval_bridge.report.markdown import renew
from eval_bridge.report.scaling.plot import write_plot
from eval_bridge.runs.scaling.measured_steps import parse_measured, read_measured
from eval_bridge.runs.scaling.plan_record import plan_record
from eval_bridge.runs.scaling.trainings import trainings_of
from launch.command_line import path_argument, run_command
from launch.config_flags import load_config
from rsd_jax.atomic_files import write_json
from rsd_jax.provenance import git_commit, library_versions

ROWS = Path("results/scaling.json")
BY_HAND = "measured: entered by hand at python -m launch.plan_scaling --measured; everything else it computed"


def main(arguments: Sequence[str]) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m launch.plan_scaling", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rows", type=path_argument, metavar="FILE", help=f"of tests.benchmarks.scaling (default {ROWS})"
    )
    parser.add_argument(
        "--measured",
        nargs="+",
        metavar="DEVICES:SAMPLES[:ROWS[:PROCESSES]]",
        help="steps in place of a file: samples a second of all devices, rows of a device",
    )
    parser.add_argument("--source", default="", help="of --measured: device and date, for the document")
    parser.add_argument(
        "--devices", type=int, nargs="+", default=[1, 2, 8, 64, 512], help="to plan for (default %(default)s)"
    )
    parser.add_argument(
        "--between_hosts",
        type=float,
        default=50.0,
        metavar="GB/S",
        help="that each device sends to other hosts (default %(default)s, an adapter of 400 Gb/s a device)",
    )
    parser.add_argument(
        "--results", type=path_argument, default=Path("results/scaling_plan.json"), metavar="FILE.json"
    )
    parser.add_argument("--again", action="store_true", help="make table and plot from the figures that are there")
    parser.add_argument(
        "--document", type=path_argument, metavar="FILE", help="also put the section between its markers"
    )
    options = parser.parse_args(arguments)
    if not options.again:
        write_json(options.results, _figures(options))
    section = describe(options.results, options.document or options.results)
    if options.document is not None:
        renew(options.document, SECTION, section)
        plot = options.document.with_suffix(".svg")
        write_plot(json.loads(options.results.read_text(encoding="utf-8")), plot)
        print(f"{section}\n\n{plot}")
    else:
        print(section)
    print(options.results)


def _figures(options: argparse.Namespace) -> dict[str, object]:
    policy, main_head = (load_config(f"configs/{name}.py")[1].to_dict() for name in ("policy", "main_head"))
    if options.measured and options.rows:
        raise ValueError(f"--measured and --rows={options.rows} are both given; give one of them")
    if options.measured:
        measured = parse_measured(options.measured, policy["training"]["batch_size"])
        source = options.source or "entered by hand"
    else:
        rows = options.rows or ROWS
        if not rows.is_file():
            raise ValueError(
                f"{rows} is not there; make it by python -m tests.benchmarks.scaling --out {rows}, or give "
                "--measured 1:SAMPLES_A_SECOND 2:SAMPLES_A_SECOND"
            )
        measured, source = read_measured(rows), f"{rows.as_posix()}"
    if not options.between_hosts > 0:
        raise ValueError(f"--between_hosts is {options.between_hosts:g}; it must be positive, in GB/s a device")
    trainings = trainings_of(policy, main_head)
    return {
        **({"history": BY_HAND} if options.measured else {}),
        "source": source,
        **plan_record(trainings, measured, options.devices, 1e9 * options.between_hosts),
        "commit": git_commit(),
        "versions": library_versions(),
    }


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1:]))

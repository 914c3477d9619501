r"""Puts measured speeds of collection, evaluation and input into ``results/speed_DEVICE.json``.

    python -m launch.record_speed --run_dir RUN --collect_seconds 150 --evaluate_seconds 200 \
        --simulator FILE --faults FILE --input FILE

Reads the demonstrations' summaries and the evaluation's log of a run, and what the benchmarks beside the tests wrote
(``simulator_speed``, ``evaluation_faults``, ``input_speed``). Wall times of whole commands, start to end of their
processes, cannot be read from anywhere and are given.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from eval_bridge.evidence.speed import describe_collection, describe_evaluation
from launch.command_line import path_argument, run_command
from rsd_jax.atomic_files import write_atomically
from rsd_jax.provenance import device_slug
from rsd_jax.run_folder import HEADLINE


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run_dir", type=path_argument, required=True)
    parser.add_argument("--evaluation", default=HEADLINE, help="folder inside the run")
    parser.add_argument("--collect_seconds", type=float, required=True)
    parser.add_argument("--evaluate_seconds", type=float, required=True)
    parser.add_argument("--simulator", type=path_argument, required=True)
    parser.add_argument("--faults", type=path_argument)
    parser.add_argument("--input", type=path_argument)
    parser.add_argument("--out", type=path_argument, default=Path("results"))
    arguments = parser.parse_args()
    simulator = json.loads(arguments.simulator.read_text())
    rate = simulator["best_steps_per_s"]["every 8 steps"]
    result: dict[str, Any] = {
        "device": simulator["device"],
        "versions": simulator["versions"],
        "collect": describe_collection(arguments.run_dir, arguments.collect_seconds),
        "evaluate": describe_evaluation(arguments.run_dir / arguments.evaluation, arguments.evaluate_seconds, rate),
        "simulator": {"best_steps_per_s": simulator["best_steps_per_s"], "steps_per_s": simulator["steps_per_s"]},
    }
    if arguments.faults:
        result["faults"] = json.loads(arguments.faults.read_text())
    if arguments.input:
        result["input"] = json.loads(arguments.input.read_text())
    path = arguments.out / f"speed_{device_slug(simulator['device'])}.json"
    write_atomically(path, json.dumps(result, indent=1) + "\n")
    print(path)


if __name__ == "__main__":
    run_command(main)

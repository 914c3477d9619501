"""Starts several processes of a command on this machine, each with its part of the GPUs.

    python -m launch.local_processes 2 -- -m launch.train --config configs/policy.py --config.run_dir=runs/NAME

What stands behind ``--`` are arguments of Python. The first process that fails ends all others, and its exit status is
that of this command; SIGTERM and Ctrl-C reach all of them, so that a training saves its state. Run again, with another
number of processes too, a training goes on. On a CPU a process has one device; more by the variable
``XLA_FLAGS=--xla_force_host_platform_device_count=N``.
"""

import argparse
import sys

from eval_bridge.runs.places.local_processes import run_processes
from eval_bridge.runs.stop_request import StopRequest
from launch.command_line import run_command


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m launch.local_processes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("count", type=int, metavar="N", help="number of processes")
    parser.add_argument("command", nargs="+", metavar="ARGUMENT", help="of Python: -m MODULE ..., or FILE ...")
    options = parser.parse_args()
    with StopRequest() as stop:
        sys.exit(run_processes([sys.executable, *options.command], options.count, sys.stdout, stop))


if __name__ == "__main__":
    run_command(main)

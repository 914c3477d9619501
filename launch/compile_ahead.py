"""Compiles training and acting for TPUs that are not there, and says what they take of each device.

    make set-up-tpu
    python -m launch.compile_ahead --topology v5e:2x4 --topology v6e:2x4

Nothing runs but the compiler, so any machine will do: some minutes a topology on 2 cores. Figures go to a file, beside
those of other topologies that the same code has made.
"""

import argparse
from pathlib import Path

from eval_bridge.runs.tpu_record import add_topology, compile_for_topology
from launch.command_line import path_argument, run_command
from launch.config_flags import load_config
from rsd_jax.distributed.ahead_of_time import restart_with_deep_stacks

CONFIGS = ("configs/policy.py", "configs/policy.py:quickstart")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m launch.compile_ahead",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--topology", action="append", required=True, metavar="GENERATION:SHAPE", help="v5e:2x4, ...")
    parser.add_argument(
        "--config",
        action="append",
        metavar="FILE[:variant]",
        help=f"a policy's; may be given several times (default: {' and '.join(CONFIGS)})",
    )
    parser.add_argument("--out", type=path_argument, default=Path("results/tpu.json"), metavar="FILE")
    options = parser.parse_args()
    restart_with_deep_stacks()
    sources = options.config or CONFIGS
    policies = {_name(source): load_config(source)[1].to_dict() for source in sources}
    for topology in options.topology:
        add_topology(options.out, topology, compile_for_topology(topology, policies, print))
    print(options.out)


def _name(source: str) -> str:
    """``configs/policy.py:quickstart`` -> ``policy:quickstart``."""
    file, colon, variant = source.partition(":")
    return f"{Path(file).stem}{colon}{variant}"


if __name__ == "__main__":
    run_command(main)

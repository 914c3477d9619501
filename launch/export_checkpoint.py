"""Copies what a run has trained into a folder of its own, to hand on: the best checkpoint of every stage.

    python -m launch.export_checkpoint runs/libero_spatial rsd_jax/pretrained/libero_spatial

The target is a run's folder itself: ``--config.run_dir=TARGET`` evaluates it. Checkpoints are checked to belong
together and copied byte for byte: evaluations of the run and of the copy name the same digests.
"""

import argparse
import sys
from collections.abc import Sequence

from launch.command_line import path_argument, run_command
from rsd_jax.checkpoints import CheckpointError
from rsd_jax.stored_models.export import export_checkpoint


def main(arguments: Sequence[str]) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m launch.export_checkpoint", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument(
        "run_dir", type=path_argument, metavar="RUN_DIR", help="folder of a run with all stages trained"
    )
    parser.add_argument("target", type=path_argument, metavar="TARGET", help="new folder")
    options = parser.parse_args(arguments)
    size = export_checkpoint(options.run_dir, options.target)
    print(f"{size / 2**20:.1f} MiB in {options.target}")


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1:]), expected=(CheckpointError, ValueError, OSError))

r"""Writes a backbone's features of a run's demonstrations, which its draft model and main head learn from.

    python -m launch.extract_features --run_dir runs/NAME
    python -m launch.extract_features --run_dir runs/NAME --batch_size 64 --fsdp 2    # a large policy on two devices

Needs demonstrations, as large as the policy's frames, and the policy. The features lie in RUN/rows, in the type that
the backbone computes in, split into training and held-out episodes as all trainings split them. Run again after an
interruption it goes on where it stopped; what is all there is checked against its digests. Then

    python -m launch.train --config configs/main_head.py --config.run_dir=runs/NAME

maps them into memory, and loads no backbone (--config.training.data=disk leaves them there while it trains).
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from launch.command_line import path_argument, run_command
from rsd_jax.distributed.compiled_programs import keep_compiled_programs
from rsd_jax.distributed.mesh import MeshConfig, make_mesh
from rsd_jax.stored_models import load_policy
from rsd_jax.training.feature_rows import BATCH, extract_features, features_folder
from rsd_jax.training.row_sources.resumable_rows import verify_rows


def main(arguments: Sequence[str]) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m launch.extract_features",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--run_dir", type=path_argument, required=True, metavar="RUN", help="the run's folder")
    parser.add_argument("--batch_size", type=int, default=BATCH, metavar="B", help="rows of a call")
    parser.add_argument("--fsdp", type=int, default=1, metavar="N", help="devices that share parameters and batch")
    parser.add_argument("--tensor", type=int, default=1, metavar="N", help="devices that share each layer")
    options = parser.parse_args(arguments)
    if options.batch_size < 1:
        raise ValueError(f"batch_size={options.batch_size} must be at least 1: the rows of one call")
    keep_compiled_programs()
    print(f"features in {_extract(options.run_dir, options.batch_size, options.fsdp, options.tensor)}")


def _extract(run_dir: Path, batch_size: int, fsdp: int, tensor: int) -> Path:
    there = features_folder(run_dir, load_policy(run_dir, with_backbone=False))
    if there.exists():
        verify_rows(there)
        print("all there, as their digests say")
        return there
    mesh = make_mesh(MeshConfig(fsdp=fsdp, tensor=tensor))
    policy, started = load_policy(run_dir, mesh), time.monotonic()
    with tqdm(desc="features", unit="row", smoothing=0.05) as bar:

        def show(done: int, total: int) -> None:
            if bar.total is None:
                bar.reset(total)
                bar.initial = done
            bar.update(done - bar.n)

        folder = extract_features(run_dir, policy, batch_size, mesh, show)
        made = bar.n - bar.initial
    print(f"{made} rows in {time.monotonic() - started:.1f} s")
    return folder


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1:]))

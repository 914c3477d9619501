"""Runs what `launch.slurm` submits on a real SLURM of two nodes, and compares it, bit by bit, with local runs.

    apt-get install slurm-wlm munge
    python -m tests.campaigns.slurm --json results/slurm.json

The cluster is this machine (`tests.campaigns.slurm_cluster`), which needs root. What it must show:

    pipeline       `python -m launch.slurm`, one submission: collection, four trainings on two nodes, an array of two
                   evaluations, and what unites them. Same bits as the same stages by `launch.local_processes 2` on the
                   same demonstrations; within 1e-6 of one process.
    collection     an array of two parts, two tasks of LIBERO: the same bytes as by one process.
    evaluation     an array of three parts, twelve episodes: the same episodes as by one process.
    interruptions  a training on two nodes is requeued (`scontrol requeue`), then reaches its limit of time, at which
                   it saves and requeues itself: the same bits as by `launch.local_processes 2` without a stop.

The command fails if any of it does not hold.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rsd_jax.atomic_files import write_json
from rsd_jax.provenance import device_name, git_commit, library_versions
from tests.campaigns.slurm_cluster import slurm_cluster
from tests.campaigns.slurm_work import NODES, WORKS, Difference


def campaign(names: list[str], folder: Path) -> dict[str, Any]:
    """What each of the named `WORKS` showed, with the seconds that it took; what failed stands under ``faults``."""
    results: dict[str, Any] = {}
    faults = []
    for name in names:
        began = time.monotonic()
        try:
            results[name] = WORKS[name](folder / name)
        except Difference as fault:
            faults.append(f"{name}: {fault}")
            print(faults[-1], file=sys.stderr, flush=True)
        else:
            results[name]["seconds"] = round(time.monotonic() - began)
            print(f"{name:<16}{results[name]}", flush=True)
    return {**results, "faults": faults}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaigns.slurm",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", choices=list(WORKS), default=list(WORKS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write what was found")
    options = parser.parse_args()
    commit = git_commit()  # of what ran, whatever is changed meanwhile
    with tempfile.TemporaryDirectory(prefix="slurm_") as scratch, slurm_cluster(Path(scratch) / "cluster", NODES):
        version = subprocess.run(["sinfo", "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
        result = campaign(options.only, Path(scratch))
    if options.json:
        made_by = {"nodes": NODES, "slurm": version, "device": device_name(), "commit": commit}
        write_json(options.json, {**result, **made_by, "versions": library_versions()})
    if result["faults"]:
        sys.exit("\n".join(result["faults"]))


if __name__ == "__main__":
    main()

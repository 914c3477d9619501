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

The command fails if any of it does not hold. What holds is written as soon as it is shown, with its commit: what else
FILE tells, of earlier calls with ``--only``, stays.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rsd_jax.atomic_files import write_json
from rsd_jax.provenance import device_name, git_commit, library_versions
from tests.campaigns.slurm_cluster import slurm_cluster, slurm_version
from tests.campaigns.slurm_work import NODES, WORKS, Difference


def campaign(names: Sequence[str], folder: Path, note: Callable[[str, dict[str, Any]], None]) -> list[str]:
    """Does the named `WORKS`, and notes what each showed and the seconds that it took; those that failed, and why."""
    faults = []
    for name in names:
        began = time.monotonic()
        try:
            shown = WORKS[name](folder / name)
        except Difference as fault:
            faults.append(f"{name}: {fault}")
            print(faults[-1], file=sys.stderr, flush=True)
        else:
            note(name, {**shown, "seconds": round(time.monotonic() - began)})
            print(f"{name:<16}{shown}", flush=True)
    return faults


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
    made_by = {"nodes": NODES, "device": device_name(), "commit": git_commit(), "versions": library_versions()}

    def note(name: str, shown: dict[str, Any]) -> None:
        if options.json:
            found = json.loads(options.json.read_bytes()) if options.json.is_file() else {}
            write_json(options.json, {**found, name: {**shown, **made_by}})

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # which ends the daemons too
    with tempfile.TemporaryDirectory(prefix="slurm_") as scratch, slurm_cluster(Path(scratch) / "cluster", NODES):
        made_by["versions"] |= {"slurm": slurm_version()}
        faults = campaign(options.only, Path(scratch), note)
    if faults:
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    main()

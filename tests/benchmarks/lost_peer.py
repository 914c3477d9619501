"""How soon a process that is killed or stopped is named by another one, and whether one that compiles is left alone.

    python -m tests.benchmarks.lost_peer --turns 3 --compile_seconds 90 --out results/lost_peer.json

Two processes on this machine's CPU, by the settings of users, or with ``--peer_timeout``. Each is killed (SIGKILL) and
stopped (SIGSTOP) in turn, while both take steps together and while neither waits for the other. Then one compiles
while the other waits for it: both must end well.
"""

import argparse
import os
import re
import signal
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

from rsd_jax.atomic_files import write_json
from rsd_jax.distributed.signs_of_life import PEER_LOST, SECONDS_UNTIL_LOST
from rsd_jax.provenance import device_name, git_commit, library_versions
from tests.rsd_jax.training.run_processes import free_port, start

MODULE = "tests.benchmarks.lost_peer_process"
SIGNALS = {"killed": signal.SIGKILL, "stopped": signal.SIGSTOP}
LONGEST = 300.0


def begin(work: str, limit: float | None, *arguments: str) -> list[subprocess.Popen[str]]:
    """Two processes of a run."""
    run = {"RSD_COORDINATOR": f"localhost:{free_port()}", "RSD_NUM_PROCESSES": "2"}
    run |= {} if limit is None else {"RSD_PEER_TIMEOUT": str(limit)}
    return [start(MODULE, work, *arguments, **run, RSD_PROCESS_ID=str(index)) for index in range(2)]


def end(processes: list[subprocess.Popen[str]]) -> list[str]:
    """Ends what is left of them; what they said."""
    for process in processes:
        process.kill()
    return ["".join(process.communicate()) for process in processes]


def lose(victim: int, how: str, work: str, limit: float | None) -> dict[str, Any]:
    """Seconds from the loss of a process to the end of the other one, which has to name it."""
    processes = begin(work, limit)
    survivor = processes[1 - victim]
    try:
        for process in processes:
            assert process.stdout is not None
            assert "READY\n" in iter(process.stdout.readline, "")  # behind what Gloo says
        time.sleep(3.0)
        os.kill(processes[victim].pid, SIGNALS[how])
        lost = time.monotonic()
        survivor.wait(LONGEST)
        seconds = time.monotonic() - lost
    finally:
        words = end(processes)
    named = re.search(rf"process {victim} \(pid {processes[victim].pid} on [^)]+\)[^\n;]*", words[1 - victim])
    return {"seconds": seconds, "status": survivor.returncode, "words": named[0] if named else None}


def compile_long(seconds: float, limit: float | None) -> dict[str, Any]:
    """One compiles for `seconds`, in one call, while the other waits."""
    processes = begin("compile", limit, str(seconds))
    try:
        for process in processes:
            process.wait(LONGEST + 4 * seconds)
    finally:
        words = end(processes)
    told = re.search(r"compiled in ([\d.]+) s, longest silence of a thread ([\d.]+) s", words[1])
    return {
        "statuses": [process.returncode for process in processes],
        "compile_seconds": float(told[1]) if told else None,
        "longest_silence_of_a_thread": float(told[2]) if told else None,
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=3, help="of each loss (default %(default)s)")
    parser.add_argument("--peer_timeout", type=float, help=f"seconds (default {SECONDS_UNTIL_LOST:g}, as for users)")
    parser.add_argument("--compile_seconds", type=float, default=90.0, help="about (default %(default)s); 0 for none")
    parser.add_argument("--out", type=Path, metavar="FILE")
    options = parser.parse_args()
    losses = []
    for work in ("together", "apart"):
        for how in SIGNALS:
            for victim in range(2):
                found = [lose(victim, how, work, options.peer_timeout) for _ in range(options.turns)]
                seconds = [each["seconds"] for each in found]
                losses.append(
                    {
                        **{"work": work, "process": victim, "how": how},
                        **{"median": statistics.median(seconds), "longest": max(seconds)},
                        "named": sum(each["words"] is not None for each in found),
                        "turns": options.turns,
                        "statuses": sorted({each["status"] for each in found}),
                        "words": sorted({re.sub(r"\(.*?\)", "(...)", each["words"] or "") for each in found}),
                    }
                )
                print(losses[-1], flush=True)
    result: dict[str, Any] = {
        "peer_timeout": options.peer_timeout or SECONDS_UNTIL_LOST,
        "status_of_the_other": PEER_LOST,
        "losses": losses,
        "peer_named_seconds": max(each["longest"] for each in losses),
        "while_another_compiles": None,
        "commit": git_commit(),
        "versions": library_versions(),
        "device": device_name(),
    }
    keep(options.out, result)
    if options.compile_seconds:
        result["while_another_compiles"] = compile_long(options.compile_seconds, options.peer_timeout)
        print(result["while_another_compiles"])
        keep(options.out, result)


def keep(out: Path | None, result: dict[str, Any]) -> None:
    """Writes what is measured so far: a part that fails must not cost the one before."""
    if out:
        write_json(out, result)
        print(out)


if __name__ == "__main__":
    main()

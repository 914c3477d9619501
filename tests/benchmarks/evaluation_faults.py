"""Kills workers of a running evaluation at random, and compares its results with an evaluation that nobody disturbed.

    python -m launch.evaluate --config configs/libero_eval.py --config.run_dir=RUN --config.output=calm
    python -m tests.benchmarks.evaluation_faults --reference RUN/calm --disturbed RUN/disturbed --out FILE \
        -- --config configs/libero_eval.py --config.run_dir=RUN --config.output=disturbed

What follows ``--`` is the command line of ``launch.evaluate``. The reference may hold the same episodes in any order.
"""

import argparse
import collections
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

CLOCKED = ("seconds", "chunk_seconds")
"""Fields of a record that depend on the clock."""


def workers_of(process: int) -> list[int]:
    """Worker processes that a running evaluation has now."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    found = []
    for child in children:
        try:
            command = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        except FileNotFoundError:  # it has just ended
            continue
        if b"eval_bridge.workers.process" in command:
            found.append(int(child))
    return found


def episode_lines(log: Path) -> list[dict[str, Any]]:
    """All episode records of a log, doubles included."""
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return [line for line in lines if line["kind"] == "episode"]


def by_episode(lines: list[dict[str, Any]]) -> dict[tuple[int, int], dict[str, Any]]:
    """Records without what depends on the clock."""
    return {
        (line["task_index"], line["episode"]): {name: line[name] for name in line if name not in (*CLOCKED, "video")}
        for line in lines
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--disturbed", type=Path, required=True, help="folder that the command line writes to")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seconds_between", type=float, default=4.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("command", nargs="+", help="arguments of launch.evaluate")
    arguments = parser.parse_args()
    generator = random.Random(arguments.seed)
    evaluation = subprocess.Popen([sys.executable, "-m", "launch.evaluate", *arguments.command])
    log = arguments.disturbed / "episodes.jsonl"
    killed = 0
    while evaluation.poll() is None:
        time.sleep(generator.uniform(0.5, 1.5) * arguments.seconds_between)
        if killed < arguments.kills and episode_lines(log) and evaluation.poll() is None:
            victims = workers_of(evaluation.pid)
            if victims:
                os.kill(generator.choice(victims), signal.SIGKILL)
                killed += 1
    lines = episode_lines(log)
    reference, disturbed = by_episode(episode_lines(arguments.reference / "episodes.jsonl")), by_episode(lines)
    counts = collections.Counter((line["task_index"], line["episode"]) for line in lines)
    result = {
        "killed": killed,
        "exit_status": evaluation.returncode,
        "episodes": len(disturbed),
        "lost": len(set(reference) - set(disturbed)),
        "doubled": sum(count - 1 for count in counts.values()),
        "different": sum(disturbed[episode] != reference.get(episode) for episode in disturbed),
    }
    print(json.dumps(result))
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()

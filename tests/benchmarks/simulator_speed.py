"""Control steps a second that LIBERO itself can do on this machine: random actions, nothing else.

    python -m tests.benchmarks.simulator_speed --workers 8 16 24 32 48 --out runs/simulator_speed.json

The best of these rates is the ceiling of evaluation and collection: they also reset, think, record and write. Frames
are rendered as an evaluation does it (both cameras at 256 pixels, once every 8 steps), as a collection does it (every
step), and never (physics alone).
"""

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

from eval_bridge.provenance import package_versions
from eval_bridge.simulators.libero.renderer import choose_renderer
from eval_bridge.simulators.libero.suites import get_suite
from eval_bridge.workers.messages import Failure, Result
from eval_bridge.workers.pool import WorkerPool
from rsd_jax.provenance import device_name
from tests.benchmarks.stepping_worker import Build, Step, SteppingWorker

SCHEDULES = {"every 8 steps": 8, "every step": 1, "never": None}


def run_jobs(pool: WorkerPool, jobs: dict[int, Any]) -> list[float]:
    """Gives every worker its job at once; returns the results."""
    for worker, job in jobs.items():
        pool.submit(worker, job)
    results = []
    while len(results) < len(jobs):
        for event in pool.events():
            match event:
                case Result(_, _, content):
                    results.append(content)
                case Failure():
                    raise RuntimeError(f"{event.job} crashed: {event.error}\n{event.traceback}")
    return results


def measure(suite: str, workers: int, seconds: float, schedules: list[str]) -> dict[str, float]:
    """Steps a second of all workers together, by rendering schedule."""
    tasks = len(get_suite(suite).tasks)
    with WorkerPool(workers, partial(SteppingWorker, suite)) as pool:
        run_jobs(pool, {worker: Build(worker % tasks) for worker in range(workers)})
        return {
            name: round(sum(run_jobs(pool, {w: Step(w % tasks, seconds, every) for w in range(workers)})), 1)
            for name, every in SCHEDULES.items()
            if name in schedules
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", default="libero_spatial")
    parser.add_argument("--workers", type=int, nargs="+", default=[8, 16, 24, 32, 48])
    parser.add_argument("--schedules", nargs="+", default=list(SCHEDULES), choices=list(SCHEDULES))
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    choose_renderer()
    rates: dict[int, dict[str, float]] = {}
    for workers in arguments.workers:
        rates[workers] = measure(arguments.suite, workers, arguments.seconds, arguments.schedules)
        print(workers, "workers:", rates[workers], flush=True)
    best = {name: max(rate[name] for rate in rates.values()) for name in arguments.schedules}
    result = {
        "device": device_name(),
        "versions": package_versions(),
        "suite": arguments.suite,
        "steps_per_s": rates,
        "best_steps_per_s": best,
    }
    print(json.dumps(best))
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()

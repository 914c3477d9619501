"""Stage 0: is everything in order on this machine? Half a minute, before hours are spent.

    python -m launch.preflight
    python -m launch.preflight --simulator libero --json preflight.json

Every stage runs in miniature through the real code, in a temporary folder. Nothing is measured but its seconds.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context

from eval_bridge.preflight.check_table import CheckRow, as_json, run_checks
from eval_bridge.preflight.checks_to_run import WORKERS, checks_to_run, import_checks, quick_compilation
from launch.command_line import path_argument, run_command
from launch.config_flags import load_config
from rsd_jax.atomic_files import write_json
from rsd_jax.run_folder import OPTIONAL_STAGES, TRAINED_STAGES
from rsd_jax.worker_process import begin_work_for


def print_row(result: CheckRow) -> None:
    """Prints a row of the table."""
    print(f"{'passed' if result.passed else 'FAILED'}  {result.seconds:6.1f} s  {result.name}", flush=True)
    for line in result.message.splitlines():
        print(f"                  {line}", flush=True)


def main(arguments: Sequence[str]) -> int:
    """Command line; returns the exit status: 0 if every check passed."""
    started = time.monotonic()
    parser = argparse.ArgumentParser(prog="python -m launch.preflight", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--simulator",
        choices=("point_mass", "libero"),
        default="point_mass",
        help="libero: also an episode in the real simulator, and its self-check",
    )
    parser.add_argument("--json", type=path_argument, metavar="FILE", help="also write the table there")
    parser.add_argument(
        "--keep", type=path_argument, metavar="DIR", help="an empty folder in which the miniature run stays"
    )
    options = parser.parse_args(arguments)

    os.environ["XLA_FLAGS"] = f"{quick_compilation()} {os.environ.get('XLA_FLAGS', '')}"
    names = (*TRAINED_STAGES, *OPTIONAL_STAGES)
    stages = {name: load_config(f"configs/{name}.py:tiny")[1].to_dict() for name in names}
    checks = checks_to_run(stages, with_libero=options.simulator == "libero")
    with _worker_processes() as executor:
        # A worker starts when it is first needed; all get to work on importing JAX at once.
        for _ in range(WORKERS):
            executor.submit(import_checks)
        results = run_checks(checks, executor, print_row, options.keep)
    seconds = time.monotonic() - started
    failed = sum(not result.passed for result in results)
    print(f"{len(results) - failed} passed, {failed} failed, {seconds:.1f} s")
    if options.json is not None:
        try:
            write_json(options.json, as_json(results, seconds))
        except OSError as error:
            print(f"error: cannot write --json {options.json}: {error}", file=sys.stderr)
            return 1
    return 1 if failed else 0


@contextmanager
def _worker_processes() -> Iterator[Executor]:
    """Processes for the checks, which end at once where an error or Ctrl-C ends this one."""
    spawn, owner = get_context("spawn"), (os.getpid(),)
    with ProcessPoolExecutor(WORKERS, mp_context=spawn, initializer=begin_work_for, initargs=owner) as executor:
        try:
            yield executor
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            for process in active_children():
                process.terminate()
            raise


if __name__ == "__main__":
    run_command(lambda: sys.exit(main(sys.argv[1:])))

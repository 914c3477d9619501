"""Stage 0: is everything in order on this machine? Half a minute, before hours are spent.

    python -m launch.preflight
    python -m launch.preflight --simulator libero --json preflight.json

Every stage runs in miniature through the real code, in a temporary folder. Nothing is measured but its seconds.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from launch.check_table import as_json, run_checks

QUICK_COMPILATION = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
"""Nearly all of preflight's time is compilation of programs that then run for milliseconds."""


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
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the table there")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="an empty folder in which the miniature run stays")
    options = parser.parse_args(arguments)

    os.environ["XLA_FLAGS"] = f"{QUICK_COMPILATION} {os.environ.get('XLA_FLAGS', '')}"
    # Imported here: JAX reads the flags, and the seconds that this takes count.
    from launch.preflight_checks import LIBERO_CHECKS, POINT_MASS_CHECKS
    from rsd_jax.checkpoints.atomic_folder import write_json

    checks = [*POINT_MASS_CHECKS, *(LIBERO_CHECKS if options.simulator == "libero" else ())]
    results = run_checks(checks, options.keep)
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

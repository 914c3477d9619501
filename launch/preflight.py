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
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

from eval_bridge.preflight.check_table import CHECKS_MODULE, Check, as_json, run_checks
from rsd_jax.atomic_files import write_json

WORKERS = 2


def _trains(stage_name: str, *needs: Check) -> Check:
    name = f"{stage_name} trains, is saved and loaded"
    return Check(name, "check_training", (stage_name,), tuple(check.name for check in needs))


DEMONSTRATIONS = Check("demonstrations are stored and replayed exactly", "check_demonstrations")
RFSQ = _trains("rfsq", DEMONSTRATIONS)
POLICY = _trains("policy", RFSQ)
MAIN_HEAD, DRAFT = (_trains(stage_name, POLICY) for stage_name in ("main_head", "draft"))
HEADS = (MAIN_HEAD.name, DRAFT.name)
POINT_MASS_CHECKS = (
    DEMONSTRATIONS,
    RFSQ,
    Check("tokens alone decode, exactly as in training", "check_tokens", needs=(RFSQ.name,)),
    POLICY,
    MAIN_HEAD,
    DRAFT,
    Check("speculative decoding equals autoregressive decoding", "check_decoders", needs=HEADS),
    Check("the policy acts in the point-mass simulator", "check_episode", needs=HEADS),
)
LIBERO_CHECKS = (
    Check("LIBERO's self-check", "check_libero_itself"),
    Check("the policy acts in LIBERO", "check_libero_episode", needs=HEADS),
)


def import_checks() -> None:
    """Imports in a worker what takes long."""
    import_module(CHECKS_MODULE)


def quick_compilation() -> str:
    """XLA's flags for preflight, nearly all of whose time is compilation of programs that run for milliseconds."""
    flags = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    # LLVM's fast selection of instructions gives up on some blocks, and only these get multiply and add in one: the
    # same function, fused with this or that, would then differ in the last bit.
    flags += " --xla_backend_extra_options=-fast-isel=false"
    # XLA ends the process at a flag that it doesn't know, and later versions don't know this one.
    return f"{flags} --xla_cpu_use_fusion_emitters=false" if version("jaxlib").startswith("0.10.") else flags


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

    os.environ["XLA_FLAGS"] = f"{quick_compilation()} {os.environ.get('XLA_FLAGS', '')}"
    checks = [*POINT_MASS_CHECKS, *(LIBERO_CHECKS if options.simulator == "libero" else ())]
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as executor:
        # A worker starts when it is first needed; all get to work on importing JAX at once.
        for _ in range(WORKERS):
            executor.submit(import_checks)
        results = run_checks(checks, executor, options.keep)
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

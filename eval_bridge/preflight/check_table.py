"""A table of checks: what runs, how each went, and how it is shown and stored."""

import contextlib
import io
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from rsd_jax.distributed.device import NoDeviceError, require_device

CHECKS_MODULE = "eval_bridge.preflight.checks"


class CheckFailed(RuntimeError):
    """Something is not as it must be; the message says what."""


def require(condition: bool, message: str) -> None:
    """Raises `CheckFailed` with `message` unless `condition` holds."""
    if not condition:
        raise CheckFailed(message)


@dataclass(frozen=True)
class Check:
    """One row.

    Attributes:
        name: what is true if it passes.
        function: in `eval_bridge.preflight.checks`, by name, so that a table can be made without importing JAX;
            called with the checks' common run folder and `arguments`, it raises if the check fails.
        arguments: more for `function`.
        needs: names of the checks whose output it reads.
    """

    name: str
    function: str
    arguments: tuple[Any, ...] = ()
    needs: tuple[str, ...] = ()


class CheckRow(NamedTuple):
    """A row of the table: how one check went; `message` says why it failed."""

    name: str
    passed: bool
    seconds: float
    message: str


def run_check(check: Check, run_dir: Path) -> CheckRow:
    """Runs one check, silently; whatever it raises is its failure."""
    started = time.monotonic()
    message = ""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            getattr(import_module(CHECKS_MODULE), check.function)(run_dir, *check.arguments)
        except Exception as error:  # noqa: BLE001  (finding what breaks, however it does, is what a check is for)
            message = _no_device() or f"{type(error).__name__}: {error}"
    return CheckRow(check.name, not message, time.monotonic() - started, message)


def _no_device() -> str:
    """Why JAX starts no device, which is then the reason for a failure; else nothing."""
    try:
        require_device()
    except NoDeviceError as error:
        return str(error)
    return ""


def run_checks(
    checks: Sequence[Check], executor: Executor, on_row: Callable[[CheckRow], None], run_dir: Path | None = None
) -> list[CheckRow]:
    """Runs every check once those that it needs are over.

    Args:
        checks: the rows, each behind those that it needs. It runs even if they failed, and says what it misses.
        executor: runs them, as many at once as it likes.
        on_row: told of a result as soon as it is known.
        run_dir: an empty folder for what they make, which is then kept; None for a temporary one.

    Returns:
        The results in the order of `checks`.
    """
    results: dict[str, CheckRow] = {}
    running: dict[Future[CheckRow], Check] = {}
    with tempfile.TemporaryDirectory(prefix="rsd_jax-preflight-") as folder:
        waiting = list(checks)
        while waiting or running:
            for check in [check for check in waiting if results.keys() >= set(check.needs)]:
                running[executor.submit(run_check, check, run_dir or Path(folder))] = check
                waiting.remove(check)
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                result = future.result()
                results[running.pop(future).name] = result
                on_row(result)
    return [results[check.name] for check in checks]


def as_json(results: Sequence[CheckRow], seconds: float) -> dict[str, Any]:
    """The table as JSON values."""
    return {
        "checks": [{"name": r.name, "passed": r.passed, "seconds": round(r.seconds, 3)} for r in results],
        "passed": all(result.passed for result in results),
        "seconds": round(seconds, 3),
    }

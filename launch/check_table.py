"""A table of checks: what runs, how each went, and how it is shown and stored."""

import contextlib
import io
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple


class CheckFailed(RuntimeError):
    """Something is not as it must be; the message says what."""


def require(condition: bool, message: str) -> None:
    """Raises `CheckFailed` with `message` unless `condition` holds."""
    if not condition:
        raise CheckFailed(message)


@dataclass(frozen=True)
class Check:
    """One row: its `name`, and what to `run` in the checks' common run folder; it raises if the check fails."""

    name: str
    run: Callable[[Path], None]


class CheckResult(NamedTuple):
    """How one check went; `message` says why it failed."""

    name: str
    passed: bool
    seconds: float
    message: str


def run_check(check: Check, run_dir: Path) -> CheckResult:
    """Runs one check, silently; whatever it raises is its failure."""
    started = time.monotonic()
    message = ""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            check.run(run_dir)
        except Exception as error:  # noqa: BLE001  (finding what breaks, however it does, is what a check is for)
            message = f"{type(error).__name__}: {error}"
    return CheckResult(check.name, not message, time.monotonic() - started, message)


def run_checks(checks: Sequence[Check], run_dir: Path | None = None) -> list[CheckResult]:
    """Runs `checks` in order and prints a row for each as soon as it is known.

    Args:
        checks: the rows; later ones run even if earlier ones failed.
        run_dir: an empty folder for what they make, which is then kept; None for a temporary one.
    """
    results = []
    with tempfile.TemporaryDirectory(prefix="rsd_jax-preflight-") as folder:
        for check in checks:
            result = run_check(check, run_dir or Path(folder))
            results.append(result)
            print(f"{'passed' if result.passed else 'FAILED'}  {result.seconds:6.1f} s  {result.name}", flush=True)
            if result.message:
                print(
                    "".join(f"                  {line}\n" for line in result.message.splitlines()), end="", flush=True
                )
    return results


def as_json(results: Sequence[CheckResult], seconds: float) -> dict[str, Any]:
    """The table as JSON values."""
    return {
        "checks": [{"name": r.name, "passed": r.passed, "seconds": round(r.seconds, 3)} for r in results],
        "passed": all(result.passed for result in results),
        "seconds": round(seconds, 3),
    }

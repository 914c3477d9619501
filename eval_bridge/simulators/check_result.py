"""What the checks of a simulator found."""

from typing import NamedTuple


class CheckResult(NamedTuple):
    """Outcome of one check.

    Attributes:
        name: what was checked.
        passed: whether it is as it should be.
        detail: what was measured; for a failed check, also what was expected.
        seconds: how long it took.
    """

    name: str
    passed: bool
    detail: str
    seconds: float


class SelfCheckFailed(RuntimeError):
    """The simulator is not as it should be; nothing measured with it would mean anything.

    Attributes:
        results: of all checks, passed ones too.
    """

    def __init__(self, results: list[CheckResult]) -> None:
        """Lists the failed checks in the message."""
        self.results = results
        failures = [f"{result.name}: {result.detail}" for result in results if not result.passed]
        super().__init__("The simulator's self-check failed, so no episode was run. " + " | ".join(failures))


def require_passed(results: list[CheckResult]) -> None:
    """Raises `SelfCheckFailed` if one of the checks failed."""
    if not all(result.passed for result in results):
        raise SelfCheckFailed(results)

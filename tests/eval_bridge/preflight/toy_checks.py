"""Two checks that preflight does not have."""

import pytest

from eval_bridge.preflight import checks
from eval_bridge.preflight.check_table import Check, CheckFailed


def add_toy_checks(monkeypatch: pytest.MonkeyPatch) -> tuple[Check, Check]:
    """A check that fails, and one that needs it, chatters and passes."""

    def fail(run_dir):
        raise CheckFailed("first line\nsecond line")

    def chatter(run_dir, text):
        print(text)

    monkeypatch.setattr(checks, "check_fail", fail, raising=False)
    monkeypatch.setattr(checks, "check_chatter", chatter, raising=False)
    return Check("broken", "check_fail"), Check("whole", "check_chatter", ("chatter",), needs=("broken",))

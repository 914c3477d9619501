import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from eval_bridge.preflight import checks
from eval_bridge.preflight.check_table import Check, CheckFailed
from launch import preflight


@pytest.fixture
def toy_checks(monkeypatch) -> tuple[Check, Check]:
    """A check that fails, and one that needs it, chatters and passes."""

    def fail(run_dir):
        raise CheckFailed("first line\nsecond line")

    def chatter(run_dir, text):
        print(text)

    monkeypatch.setattr(checks, "check_fail", fail, raising=False)
    monkeypatch.setattr(checks, "check_chatter", chatter, raising=False)
    return Check("broken", "check_fail"), Check("whole", "check_chatter", ("chatter",), needs=("broken",))


def test_exit_status_and_json_tell_failure_and_success(toy_checks, monkeypatch, tmp_path, capsys):
    broken, whole = toy_checks
    path = tmp_path / "preflight.json"
    monkeypatch.setenv("XLA_FLAGS", "")  # restores the variable that preflight extends
    monkeypatch.setattr(preflight, "ProcessPoolExecutor", lambda workers, **_: ThreadPoolExecutor(1))

    def checks_to_run(stages, with_libero):
        assert list(stages) == ["rfsq", "policy", "draft", "main_head"]
        return [replace(whole, needs=()), *([broken] if with_libero else [])]

    monkeypatch.setattr(preflight, "checks_to_run", checks_to_run)
    assert preflight.main(["--json", str(path)]) == 0
    assert json.loads(path.read_text())["passed"] is True
    capsys.readouterr()
    assert preflight.main(["--json", str(path), "--simulator", "libero"]) == 1
    printed = capsys.readouterr().out
    assert "FAILED" in printed
    assert "second line" in printed
    assert "chatter" not in printed
    assert json.loads(path.read_text())["passed"] is False
    assert [file.name for file in tmp_path.iterdir()] == ["preflight.json"]
    assert preflight.main(["--json", str(tmp_path / "missing" / "preflight.json")]) == 1
    assert "cannot write --json" in capsys.readouterr().err

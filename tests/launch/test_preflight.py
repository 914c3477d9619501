import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from launch import preflight
from tests.eval_bridge.preflight.toy_checks import add_toy_checks


@pytest.fixture
def toy_checks(monkeypatch):
    return add_toy_checks(monkeypatch)


def test_exit_status_and_json_tell_failure_and_success(toy_checks, monkeypatch, tmp_path, capsys):
    broken, whole = toy_checks
    path = tmp_path / "preflight.json"
    monkeypatch.setenv("XLA_FLAGS", "")  # restores the variable that preflight extends
    monkeypatch.setattr(preflight, "ProcessPoolExecutor", lambda workers, **_: ThreadPoolExecutor(1))

    def checks_to_run(stages, with_libero):
        assert list(stages) == ["rfsq", "policy", "draft", "main_head", "draft_policy", "confidence", "early_exit"]
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

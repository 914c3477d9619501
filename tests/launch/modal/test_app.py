"""The commands on Modal, as far as they can be checked without an account there."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import modal
import pytest

from launch.modal import app

ROOT = Path(__file__).parents[3]


def written_commands():
    """``launch.COMMAND ...`` of every command line that README and documents show, those of several lines joined."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL):
            yield from re.findall(r"^(?:timeout \d+ )?python -m (launch\.\w+ .*)", block, re.MULTILINE)


def test_the_commands_of_readme_and_documents_run_there():
    lines = sorted(set(written_commands()))
    assert len(lines) > 20
    for line in lines:
        command = tuple(shlex.split(line, comments=True))
        assert app.read_order(command) == app.Order(command, "H100", 16.0, 12.0)


def test_the_machine_is_told_in_front_of_the_command():
    order = app.read_order(("--gpu=A100-80GB:2", "--hours=3", "launch.train", "--config", "configs/policy.py"))
    assert order == app.Order(("launch.train", "--config", "configs/policy.py"), "A100-80GB:2", 16.0, 3.0)
    assert app.read_order(("--gpu=none", "--cpu=4", "launch.collect")) == app.Order(
        ("launch.collect",), None, 4.0, 12.0
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "'' is no command of the project"),
        (("launch.trian", "--config", "x"), "'launch.trian' is no command of the project"),
        (("pytest",), "'pytest' is no command of the project"),
        (("--hours=25", "launch.train"), "--hours 25 must be above 0 and at most 24"),
        (("--hours=nan", "launch.train"), "--hours nan must be above 0"),
    ],
)
def test_a_mistake_costs_no_machine(arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        app.read_order(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_functions_resolve_and_take_the_machine_that_was_asked_for():
    assert isinstance(app.run, modal.Function)
    assert isinstance(app.run.with_options(gpu="H100:2", cpu=16.0, timeout=60), modal.Function)
    listed = subprocess.run(
        [sys.executable, "-m", "modal", "run", "launch/modal/app.py", "--help"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "launch/modal/app.py" in listed.stdout


def test_what_the_image_installs_is_there():
    for name in ("py312.lock", "cuda13-py312.lock"):
        assert (ROOT / "requirements" / name).is_file()


def test_a_command_runs_in_the_checkout_with_its_commit_and_its_files_are_kept(monkeypatch, tmp_path):
    kept = []
    volume = type("Volume", (), {"commit": lambda self: kept.append(True)})()
    monkeypatch.setattr(app, "runs", volume)
    monkeypatch.setattr(app, "REPOSITORY", tmp_path)
    (tmp_path / "tell.py").write_text("import os, sys; open('told', 'w').write(os.environ['RSD_COMMIT']); sys.exit(3)")
    with pytest.warns(UserWarning, match="executing locally"):
        assert app.run.local(("tell",), "abc") == 3
    assert (tmp_path / "told").read_text() == "abc"
    assert kept == [True]

import importlib.util
import subprocess
import sys

import pytest

from launch.__main__ import main
from launch.command_list import commands


def test_every_command_is_listed_with_a_line():
    found = commands()
    assert {"train", "evaluate", "pipeline", "preflight", "compare"} <= set(found)
    assert not {"config_flags", "command_line", "__main__"} & set(found)
    assert all(line.endswith((".", "?")) for line in found.values())
    assert all(importlib.util.find_spec(f"launch.{name}") for name in found)


def test_listing_imports_nothing_heavy():
    code = "import runpy, sys; runpy.run_module('launch', run_name='__main__'); sys.exit('jax' in sys.modules)"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert "Evaluates a trained policy in simulation." in process.stdout


def test_a_command_after_a_space_is_told_how_to_be_written():
    with pytest.raises(SystemExit, match=r"python -m launch\.COMMAND"):
        main(["train"])

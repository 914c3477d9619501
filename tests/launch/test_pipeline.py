import json
import subprocess
import sys

import pytest

from launch import pipeline
from launch.config_flags import parse_config
from tests.eval_bridge.runs.stage_scripts import wait_for

PIPELINE = (sys.executable, "-m", "launch.pipeline", "--config", "configs/quickstart.py")


def test_unwritable_run_folder_is_an_error_without_traceback(tmp_path):
    occupied = tmp_path / "file"
    occupied.touch()
    process = subprocess.run([*PIPELINE, f"--config.run_dir={occupied}/run"], capture_output=True, text=True)
    assert process.returncode == 1
    assert "cannot write the run folder" in process.stderr
    assert "Traceback" not in process.stderr


def test_misspelt_config_key_suggests_the_right_one():
    process = subprocess.run([*PIPELINE, "--config.from_stag=draft"], capture_output=True, text=True)
    assert process.returncode != 0
    assert "from_stage" in process.stderr


def test_a_misspelt_stage_leaves_the_record_as_it_was(tmp_path):
    (tmp_path / "pipeline.json").write_text(json.dumps({"variant": "tiny", "seed": 7}))
    command = ["--config", "configs/quickstart.py", f"--config.run_dir={tmp_path}", "--config.from_stage=collect"]
    with pytest.raises(ValueError, match="until_stage='polcy' is not a stage"):
        pipeline.main(parse_config([*command, "--config.until_stage=polcy"]))
    assert json.loads((tmp_path / "pipeline.json").read_text()) == {"variant": "tiny", "seed": 7}


def test_the_record_stays_until_the_old_outputs_have_moved(tmp_path, monkeypatch):
    record = {"variant": "tiny", "seed": 7, "demos": ""}
    (tmp_path / "pipeline.json").write_text(json.dumps(record))
    (tmp_path / "rfsq").mkdir()

    def fail(path, target):
        raise OSError("disk is gone")

    monkeypatch.setattr("pathlib.Path.rename", fail)
    command = ["--config", "configs/quickstart.py", f"--config.run_dir={tmp_path}", "--config.from_stage=collect"]
    with pytest.raises(OSError, match="disk is gone"):
        pipeline.main(parse_config(command))
    assert json.loads((tmp_path / "pipeline.json").read_text()) == record


COMMAND = """
import pathlib, sys
from launch import pipeline
from tests.eval_bridge.runs.stage_scripts import SAVES_AT_TERM, python_stage
folder = pathlib.Path(sys.argv.pop())
pipeline.stages_of = lambda *_: [python_stage("evaluate", folder, SAVES_AT_TERM)]
pipeline.run(pipeline.main)
"""


def test_the_command_ends_with_143_and_one_line_that_says_how_to_go_on(tmp_path):
    arguments = [*PIPELINE[3:], f"--config.run_dir={tmp_path}", str(tmp_path)]

    def command() -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-c", COMMAND, *arguments], stdout=subprocess.PIPE, text=True)

    with command() as first:
        wait_for(tmp_path / "evaluate" / "started")
        first.terminate()
        printed, _ = first.communicate()
    assert first.returncode == 143
    assert "stopped by SIGTERM in stage evaluate" in printed.splitlines()[-1]
    assert "the same command goes on" in printed.splitlines()[-1]
    with command() as second:
        printed, _ = second.communicate()
    assert second.returncode == 0
    assert "min to the first report (budget 20 min on 2 cores)" in printed

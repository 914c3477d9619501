import json
import runpy
import subprocess
import sys
from collections import namedtuple

import pytest

from eval_bridge.preflight.check_stages import check_stages
from eval_bridge.preflight.requirements import RequirementsNotMet
from launch import pipeline
from launch.config_flags import parse_config
from tests.eval_bridge.runs.stage_scripts import wait_for

CONFIG = ("--config", "configs/quickstart.py")


@pytest.fixture
def asked(monkeypatch):
    """The stages whose needs were checked; nothing is run, and nothing is checked that takes a process."""
    checked = []

    def check(commands, read_config, *, demos_of):
        checked.append(list(commands))
        return check_stages(commands, read_config, with_processes=False, demos_of=demos_of)

    monkeypatch.setattr(pipeline, "check_stages", check)
    monkeypatch.setattr(pipeline, "run_pipeline", lambda *_: None)
    return checked


def command(run_dir, *overrides):
    return parse_config(["--config", "configs/quickstart.py:tiny", f"--config.run_dir={run_dir}", *overrides])


def test_everything_is_checked_before_anything_is_written_and_all_failures_are_told(asked, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: namedtuple("Usage", "free")(0))
    occupied = tmp_path / "file"
    occupied.touch()
    with pytest.raises(RequirementsNotMet, match="2 of 5 checks failed") as caught:
        pipeline.main(command(occupied / "run"))
    assert "is not a folder" in str(caught.value)
    assert "0.0 GB free" in str(caught.value)
    with pytest.raises(RequirementsNotMet, match="1 of 5 checks failed"):
        pipeline.main(command(tmp_path / "run"))
    assert list(tmp_path.iterdir()) == [occupied]


def test_only_what_will_run_is_checked_and_for_a_finished_run_nothing(asked, tmp_path, capsys):
    pipeline.main(command(tmp_path, "--config.until_stage=rfsq"))
    assert asked == [["collect", "rfsq"]]
    assert "checked  configurations: collect, rfsq" in capsys.readouterr().out
    (tmp_path / "demos" / "libero_spatial").mkdir(parents=True)
    (tmp_path / "demos" / "libero_spatial" / "collection.json").touch()
    pipeline.main(command(tmp_path, "--config.until_stage=collect"))
    assert len(asked) == 1
    pipeline.main(command(tmp_path, "--config.until_stage=rfsq"))
    assert asked[1:] == [["rfsq"]]


def test_demonstrations_of_another_run_are_not_collected_again(asked, tmp_path):
    (tmp_path / "first" / "demos" / "libero_spatial").mkdir(parents=True)
    (tmp_path / "first" / "demos" / "libero_spatial" / "collection.json").touch()
    overrides = (f"--config.demos={tmp_path / 'first'}", "--config.until_stage=policy")
    pipeline.main(command(tmp_path / "second", *overrides))
    assert asked == [["rfsq", "policy"]]


def test_weights_that_do_not_fit_are_refused_before_demonstrations_are_collected(asked, tmp_path):
    with pytest.raises(RequirementsNotMet, match=r"backbone\.image_size: 128 there, 32 here") as caught:
        pipeline.main(command(tmp_path / "run", "--config.start_from=pretrained/libero_spatial"))
    assert "layout.num_layers: 8 there, 4 here" in str(caught.value)
    with pytest.raises(RequirementsNotMet, match="no checkpoint of stage 'draft'"):
        pipeline.main(command(tmp_path / "run", f"--config.start_from={tmp_path / 'first'}"))
    assert not list(tmp_path.iterdir())


def test_a_part_that_would_collect_what_a_part_before_has_collected_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "require_all_of", lambda *_: None)
    monkeypatch.setattr(pipeline, "run_pipeline", lambda *_: None)
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    pipeline.main(command(first))
    pipeline.main(command(second, "--config.seed=1", f"--config.start_from={first}"))
    for seed, part in ((0, first), (1, second)):
        with pytest.raises(ValueError, match=rf"{part}, a part .*, has collected the demonstrations of seed={seed}:"):
            pipeline.main(command(third, f"--config.seed={seed}", f"--config.start_from={second}"))
    assert not third.exists()
    pipeline.main(command(third, "--config.seed=2", f"--config.start_from={second}"))


def test_misspelt_config_key_suggests_the_right_one(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["launch.pipeline", *CONFIG, "--config.from_stag=draft"])
    with pytest.raises(SystemExit, match="from_stage"):
        runpy.run_path(pipeline.__file__, run_name="__main__")


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
    monkeypatch.setattr(pipeline, "require_all_of", lambda *_: None)
    command = ["--config", "configs/quickstart.py", f"--config.run_dir={tmp_path}", "--config.from_stage=collect"]
    with pytest.raises(OSError, match="disk is gone"):
        pipeline.main(parse_config(command))
    assert json.loads((tmp_path / "pipeline.json").read_text()) == record


COMMAND = """
import pathlib, sys
from launch import pipeline
from tests.eval_bridge.runs.stage_scripts import SAVES_AT_TERM, python_stage
folder = pathlib.Path(sys.argv.pop())
pipeline.require_all_of = lambda *_: None
pipeline.stages_of = lambda *_, **__: [python_stage("evaluate", folder, SAVES_AT_TERM)]
pipeline.run(pipeline.main)
"""


def test_the_command_ends_with_143_and_one_line_that_says_how_to_go_on(tmp_path):
    arguments = [*CONFIG, f"--config.run_dir={tmp_path}", str(tmp_path)]

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


def test_a_run_of_openvla_is_one_of_the_weights_that_it_was_made_with(asked, tmp_path):
    def make(*overrides):
        pipeline.main(
            parse_config(["--config", "configs/openvla.py:tiny", f"--config.run_dir={tmp_path}", *overrides])
        )

    make("--config.until_stage=main_head")
    assert asked == [["collect", "policy", "features", "rfsq", "draft", "main_head"]]
    assert json.loads((tmp_path / "pipeline.json").read_text())["policy"] == "random tiny"
    with pytest.raises(ValueError, match="was made with policy='random tiny', and policy='random tiny, 1 blocks'"):
        make("--config.openvla.exit_block=1")

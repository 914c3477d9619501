"""Cells of a sweep: which there are, that finished ones are skipped, and that a failure stops no other."""

import dataclasses
import io
import json
import sys

import pytest

from eval_bridge.runs.delay_sweep.run import run_cells
from eval_bridge.runs.delay_sweep.settings import DelaySweepSettings
from eval_bridge.runs.stop_request import StopRequest
from launch import sweep_delays
from launch.config_flags import parse_config
from rsd_jax.checkpoints.stage_checkpoints import checkpoint_digests
from rsd_jax.pretrained import PRETRAINED
from rsd_jax.registry import to_dataclass
from tests.eval_bridge.evaluation.folder_examples import write_evaluation
from tests.eval_bridge.evaluation.log_examples import log_of

STAGES = ("rfsq", "policy", "main_head")


def configured(*overrides, variant="tiny"):
    return parse_config(["--config", f"configs/delays.py:{variant}", *overrides])


def settings(*overrides, variant="tiny") -> DelaySweepSettings:
    return to_dataclass(DelaySweepSettings, configured(*overrides, variant=variant).to_dict())


def evaluated(output, outcomes="+-", **identity):
    """A finished evaluation of the point mass by the shipped checkpoint."""
    digests = checkpoint_digests(PRETRAINED, STAGES)
    identity |= {f"checkpoint.{stage}": digest for stage, digest in digests.items()}
    log = log_of({0: outcomes}, simulator="point_mass", suite="point_mass", decoder="fixed_point", **identity)
    write_evaluation(output, log)
    (output / "report.html").touch()


def test_the_published_sweep_has_a_cell_for_every_execution_at_every_delay_and_one_in_which_the_clock_stands_still():
    cells = [cell.label for cell in settings(variant="").cells]
    assert len(cells) == 19
    assert cells[:3] == ["fixed_point blocking", "fixed_point hold 0", "fixed_point hold 1"]
    assert {f"fixed_point {each} 8" for each in ("hold", "async", "rtc")} <= set(cells)
    assert len(settings(variant="profiles").cells) == 3 * (1 + 3 * 4)
    assert settings(variant="development").starts.simulator == "libero_development"


def test_cells_are_commands_with_folders_of_their_own():
    stages = settings("--config.actions_left=3").stages()
    blocking, chunking = stages["fixed_point blocking"], stages["fixed_point rtc 3"]
    assert str(chunking.output) == "runs/pretrained/delays_tiny/fixed_point/rtc_3"
    given = {"--config.execution=rtc", "--config.delay=3", "--config.actions_left=3", "--config.coarse_layers=3"}
    assert given <= set(chunking.command)
    assert not any("execution" in part for part in blocking.command)
    assert len({stage.output for stage in stages.values()}) == 5


def test_only_an_evaluation_that_is_executed_so_finishes_a_cell(tmp_path):
    stages = settings().stages()
    cell, still = stages["fixed_point hold 3"], stages["fixed_point blocking"]
    evaluated(tmp_path / "hold_3", execution="hold", delay=3)
    evaluated(tmp_path / "hold_0", execution="hold", delay=0)
    evaluated(tmp_path / "blocking")
    evaluated(tmp_path / "short", outcomes="+", execution="hold", delay=3)
    finished = {name: cell.is_finished(tmp_path / name) for name in ("hold_3", "hold_0", "blocking", "short", "none")}
    assert finished == {"hold_3": True, "hold_0": False, "blocking": False, "short": False, "none": False}
    assert still.is_finished(tmp_path / "blocking")
    assert not still.is_finished(tmp_path / "hold_0")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("--config.executions=('hold','hold')", "executions=.* names one twice"),
        ("--config.executions=('blocking',)", "names blocking, which is evaluated anyway"),
        ("--config.delays=('soon',)", "delay='soon' must be measured"),
        ("--config.decoders=()", "decoders=.* not empty"),
        ("--config.decoders=('l1_regression',)", "l1_regression takes none"),
        ("--config.out=out.csv", "must end in .json"),
        ("--config.starts.tasks=(1,)", "point_mass has the tasks 0 to 0"),
    ],
)
def test_what_cannot_be_is_told_before_anything_runs(override, message):
    with pytest.raises(ValueError, match=message):
        settings(override)


def scripted(monkeypatch, tmp_path, fails=()):
    """The sweep's stages in a folder of their own, with commands that leave evaluations made by hand."""
    stages = {}
    for label, stage in settings().stages().items():
        output = tmp_path / label.replace(" ", "_")
        _, execution, *delay = label.split()
        timing = {} if execution == "blocking" else {"execution": execution, "delay": int(*delay)}
        timing |= {"actions_left": 4, "coarse_layers": 3} if execution == "rtc" else {}
        evaluated(tmp_path / "made" / output.name, **timing)
        code = "import shutil, sys; shutil.copytree(sys.argv[1], sys.argv[2])"
        if label in fails:
            code = "raise SystemExit('no memory left')"
        command = [sys.executable, "-c", code, str(tmp_path / "made" / output.name), str(output)]
        stages[label] = dataclasses.replace(stage, output=output, command=command)
    monkeypatch.setattr(DelaySweepSettings, "stages", lambda self: stages)
    return stages


def test_a_failure_stops_no_other_cell_and_the_same_command_goes_on(monkeypatch, tmp_path):
    stages = scripted(monkeypatch, tmp_path, fails=("fixed_point hold 3",))
    with StopRequest() as stop:
        (message,) = run_cells(stages, tmp_path / "logs", 2, stop, io.StringIO())
    assert message.startswith("fixed_point hold 3: stage delays_tiny/fixed_point/hold_3 failed with exit status 1")
    assert "no memory left" in message
    assert (tmp_path / "logs/delays_tiny/fixed_point/hold_3.log").is_file()
    terminal, again = io.StringIO(), scripted(monkeypatch, tmp_path)
    with StopRequest() as stop:
        assert run_cells(again, tmp_path / "logs", 1, stop, terminal) == []
    begun = [line for line in terminal.getvalue().splitlines() if line.endswith("begins")]
    assert begun == ["fixed_point hold 3 begins"]


def test_the_command_writes_what_is_finished_and_fails_when_a_cell_did(monkeypatch, tmp_path, capsys):
    scripted(monkeypatch, tmp_path, fails=("fixed_point hold 3",))
    monkeypatch.setattr(sweep_delays, "require_what_is_missing", lambda stages, read: None)
    monkeypatch.setattr(sweep_delays, "results_folder", lambda run_dir: tmp_path)
    monkeypatch.setattr(sweep_delays, "read_delay_results", lambda folders: {"folders": sorted(map(str, folders))})
    monkeypatch.setattr(sweep_delays, "write_page", lambda results, page: page.touch())
    monkeypatch.setattr(sweep_delays, "describe", lambda results, document: "the table")
    with pytest.raises(SystemExit, match="1 of 5 cells failed"):
        sweep_delays.main(configured(f"--config.out={tmp_path}/results/delay.json"))
    assert len(json.loads((tmp_path / "results" / "delay.json").read_text())["folders"]) == 4
    assert "the table" in capsys.readouterr().out

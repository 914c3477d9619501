import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading

import pytest

from configs import libero_spatial, quickstart
from eval_bridge.runs import pipeline
from eval_bridge.runs.run_record import read_seconds
from eval_bridge.runs.stage_process import StageFailure
from eval_bridge.runs.stop_request import Stopped
from rsd_jax.folder_lock import InUseError, in_use
from tests.eval_bridge.runs.stage_scripts import SAVES_AT_TERM, python_stage, wait_for


def ran(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line.split()[1] for line in capsys.readouterr().out.splitlines() if " finished in " in line]


def test_runs_every_stage_once_and_then_skips_all(tmp_path, capsys):
    stages = [python_stage("rfsq", tmp_path), python_stage("policy", tmp_path)]
    pipeline.run_pipeline(stages, tmp_path, sys.stdout)
    assert ran(capsys) == ["rfsq", "policy"]
    pipeline.run_pipeline(stages, tmp_path, sys.stdout)
    assert "already there" in capsys.readouterr().out
    assert not (tmp_path / "replaced").exists()


def test_from_stage_makes_it_and_later_ones_anew_and_keeps_the_old(tmp_path, capsys):
    stages = [python_stage(name, tmp_path) for name in ("rfsq", "policy", "draft")]
    pipeline.run_pipeline(stages, tmp_path, sys.stdout)
    capsys.readouterr()
    pipeline.run_pipeline(stages, tmp_path, sys.stdout, from_stage="policy")
    assert ran(capsys) == ["policy", "draft"]
    assert sorted(path.name for path in tmp_path.glob("replaced/*/*")) == ["draft", "policy"]


def test_a_missing_early_output_makes_later_ones_stale(tmp_path, capsys):
    stages = [python_stage(name, tmp_path) for name in ("rfsq", "policy")]
    pipeline.run_pipeline(stages, tmp_path, sys.stdout)
    (tmp_path / "rfsq").rename(tmp_path / "elsewhere")
    capsys.readouterr()
    pipeline.run_pipeline(stages, tmp_path, sys.stdout)
    assert ran(capsys) == ["rfsq", "policy"]
    assert [path.name for path in tmp_path.glob("replaced/*/*")] == ["policy"]


def test_an_unfinished_stage_keeps_what_it_has(tmp_path):
    code = "import sys, pathlib; p = pathlib.Path(sys.argv[1]); (p / 'latest').rename(p / 'metrics.json')"
    stage = python_stage("rfsq", tmp_path, code)
    stage.output.mkdir()
    (stage.output / "latest").write_text("step 3")
    pipeline.run_pipeline([stage], tmp_path, sys.stdout)
    assert (stage.output / "metrics.json").read_text() == "step 3"


def test_failing_stage_ends_the_pipeline_and_names_everything(tmp_path):
    broken = python_stage(
        "policy", tmp_path, "print('reading demos'); raise SystemExit('no demos: run launch.collect')"
    )
    later = python_stage("draft", tmp_path)
    with pytest.raises(StageFailure) as failure:
        pipeline.run_pipeline([broken, later], tmp_path, sys.stdout)
    message = str(failure.value)
    assert "stage policy failed with exit status 1" in message
    assert "no demos: run launch.collect" in message
    assert "python -c" in message
    assert str(tmp_path / "logs" / "policy.log") in message
    assert not later.output.exists()


def test_stage_that_leaves_nothing_is_a_failure(tmp_path):
    with pytest.raises(StageFailure, match="ended without completing"):
        pipeline.run_pipeline([python_stage("policy", tmp_path, "pass")], tmp_path, sys.stdout)


def test_unknown_stage_name_lists_the_stages(tmp_path):
    with pytest.raises(ValueError, match="from_stage='polciy' is not a stage; choose one of rfsq, policy"):
        pipeline.run_pipeline(
            [python_stage(name, tmp_path) for name in ("rfsq", "policy")], tmp_path, sys.stdout, "polciy"
        )


def test_config_is_locked_and_refuses_unknown_variants():
    with pytest.raises(AttributeError, match="from_stage"):
        quickstart.get_config().from_stag = "draft"
    with pytest.raises(ValueError, match="quickstart, tiny"):
        quickstart.get_config("large")
    with pytest.raises(ValueError, match="libero_spatial, tiny"):
        libero_spatial.get_config("quickstart")


def test_stops_after_the_stage_asked_for_and_goes_on_later(tmp_path, capsys):
    stages = [python_stage(name, tmp_path) for name in ("rfsq", "policy", "draft")]
    pipeline.run_pipeline(stages, tmp_path, sys.stdout, until_stage="policy")
    assert ran(capsys) == ["rfsq", "policy"]
    pipeline.run_pipeline(stages, tmp_path, sys.stdout)
    assert ran(capsys) == ["draft"]


def test_what_lies_behind_the_last_stage_is_stale_only_if_something_ran(tmp_path):
    stages = [python_stage(name, tmp_path) for name in ("rfsq", "policy", "draft")]
    pipeline.run_pipeline(stages, tmp_path, sys.stdout)
    (tmp_path / "draft" / "metrics.json").unlink()
    pipeline.run_pipeline(stages, tmp_path, sys.stdout, until_stage="policy")
    assert not (tmp_path / "replaced").exists()
    pipeline.run_pipeline(stages, tmp_path, sys.stdout, from_stage="policy", until_stage="policy")
    assert sorted(path.name for path in tmp_path.glob("replaced/*/*")) == ["draft", "policy"]


@pytest.mark.parametrize("used", ["draft", "draft/episodes.jsonl"])
def test_what_another_process_writes_is_not_moved_away(tmp_path, capsys, used):
    """A training has its folder, an evaluation the log within."""
    stages = [python_stage(name, tmp_path) for name in ("rfsq", "policy", "draft")]
    pipeline.run_pipeline(stages, tmp_path, sys.stdout)
    before = sorted(tmp_path.rglob("*"))
    with in_use(tmp_path / used), pytest.raises(InUseError, match=rf"{used} is in use by process \d+"):
        pipeline.run_pipeline(stages, tmp_path, sys.stdout, from_stage="policy")
    assert sorted(tmp_path.rglob("*")) == before
    capsys.readouterr()
    pipeline.run_pipeline(stages, tmp_path, sys.stdout, from_stage="policy")
    assert ran(capsys) == ["policy", "draft"]


def test_what_does_not_read_the_changed_output_stays(tmp_path, capsys):
    def stage(name, reads):
        return dataclasses.replace(python_stage(name, tmp_path), reads=reads)

    stages = [
        stage("rfsq", None),
        stage("evaluate", ["rfsq"]),
        stage("evaluate_other", ["rfsq"]),
        stage("report", None),
    ]
    pipeline.run_pipeline(stages, tmp_path, sys.stdout)
    (tmp_path / "evaluate").rename(tmp_path / "elsewhere")
    capsys.readouterr()
    pipeline.run_pipeline(stages, tmp_path, sys.stdout)
    assert ran(capsys) == ["evaluate", "report"]
    pipeline.run_pipeline(stages, tmp_path, sys.stdout, from_stage="rfsq")
    assert ran(capsys) == ["rfsq", "evaluate", "evaluate_other", "report"]


def test_impossible_ranges_of_stages_are_refused(tmp_path):
    stages = [python_stage(name, tmp_path) for name in ("rfsq", "policy", "draft")]
    with pytest.raises(ValueError, match="until_stage='drafts' is not a stage; choose one of rfsq, policy, draft"):
        pipeline.run_pipeline(stages, tmp_path, sys.stdout, until_stage="drafts")
    with pytest.raises(ValueError, match="from_stage='draft' comes behind until_stage='rfsq'"):
        pipeline.run_pipeline(stages, tmp_path, sys.stdout, from_stage="draft", until_stage="rfsq")
    assert not (tmp_path / "rfsq").exists()


def test_seconds_add_up_over_pieces_failed_ones_included(tmp_path, monkeypatch):
    clock = iter([0.0, 5.0, 100.0, 107.0])
    monkeypatch.setattr(pipeline.time, "monotonic", lambda: next(clock))
    # Fails at the first attempt.
    code = (
        "import sys, pathlib; p = pathlib.Path(sys.argv[1]); "
        "(p / 'metrics.json').touch() if p.exists() else (p.mkdir(), sys.exit(1))"
    )
    monkeypatch.setattr(pipeline, "run_stage", lambda stage, *_: subprocess.run(stage.command, check=True))
    stage = python_stage("rfsq", tmp_path, code)
    with pytest.raises(subprocess.CalledProcessError):
        pipeline.run_pipeline([stage], tmp_path, sys.stdout)
    assert read_seconds(tmp_path) == {"rfsq": 5.0}
    pipeline.run_pipeline([stage], tmp_path, sys.stdout)
    assert read_seconds(tmp_path) == {"rfsq": 12.0}


def test_stages_made_anew_start_at_no_seconds(tmp_path):
    stages = [python_stage(name, tmp_path) for name in ("rfsq", "policy")]
    record = {"variant": "tiny", "seed": 0, "stage_seconds": {"rfsq": 1000.0, "policy": 2000.0}}
    (tmp_path / "pipeline.json").write_text(json.dumps(record))
    pipeline.run_pipeline(stages[:1], tmp_path, sys.stdout)
    assert read_seconds(tmp_path)["rfsq"] >= 1000.0
    pipeline.run_pipeline(stages, tmp_path, sys.stdout, from_stage="policy")
    assert read_seconds(tmp_path)["rfsq"] >= 1000.0
    assert read_seconds(tmp_path)["policy"] < 1000.0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_stage_save_and_the_next_piece_go_on(tmp_path, number):
    stage, later = python_stage("policy", tmp_path, SAVES_AT_TERM), python_stage("draft", tmp_path)

    def interrupt() -> None:
        wait_for(stage.output / "started")
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(Stopped, match="in stage policy after") as stopped:
        pipeline.run_pipeline([stage, later], tmp_path, sys.stdout)
    thread.join()
    assert stopped.value.exit_status == 128 + number
    assert (stage.output / "latest").read_text() == "step 3"
    first_piece = read_seconds(tmp_path)["policy"]
    assert first_piece > 0
    assert not later.output.exists()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL

    pipeline.run_pipeline(
        [stage, later], tmp_path, sys.stdout
    )  # `SAVES_AT_TERM` finishes at once where it finds `latest`
    assert read_seconds(tmp_path)["policy"] > first_piece
    assert later.output.exists()


def test_a_signal_between_two_stages_stops_before_the_next(tmp_path):
    stages = [python_stage(name, tmp_path) for name in ("rfsq", "policy")]
    run_stage = pipeline.run_stage

    def run_then_signal(*arguments):
        run_stage(*arguments)
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "run_stage", run_then_signal)
        with pytest.raises(Stopped, match="stopped by SIGTERM before stage policy"):
            pipeline.run_pipeline(stages, tmp_path, sys.stdout)
    assert not stages[1].output.exists()


def test_results_of_all_decoders_are_told_as_they_are(tmp_path):
    decoders = ("speculative_greedy", "l1_regression", "autoregressive")
    summary = {"episodes": 10, "successes": 0, "errors": 0, "success_rate": 0.0, "success_interval": [0.0, 0.278]}
    for folder, decoder, acceptance in zip(
        ("evaluation", "evaluation_l1_regression"), decoders, (0.913, None), strict=False
    ):
        (tmp_path / folder).mkdir()
        own = {"decoder": decoder, "token_acceptance": acceptance}
        (tmp_path / folder / "summary.json").write_text(json.dumps(summary | own))
    (tmp_path / "evaluation" / "report.html").touch()
    text = pipeline.describe_result(tmp_path, decoders)
    assert "0/10 = 0.0% (95 % interval 0.0% to 27.8%), 0 errors, speculative_greedy" in text
    assert "0 errors, l1_regression" in text
    assert "autoregressive" not in text
    assert text.count("acceptance") == 1
    assert "91.3%" in text
    assert str(tmp_path / "evaluation" / "report.html") in text


def test_time_to_the_first_report_and_in_all(tmp_path):
    (tmp_path / "pipeline.json").write_text(
        json.dumps({"stage_seconds": {"collect": 60, "evaluate": 30, "report": 90}})
    )
    text = pipeline.describe_time(tmp_path, ["collect", "rfsq", "evaluate"], "40 min on one H100")
    assert text == "time        1.5 min to the first report (budget 40 min on one H100), 3.0 in all"
    text = pipeline.describe_time(tmp_path, ["collect", "rfsq", "evaluate_later"], "20 min")
    assert text == "time        3.0 min so far (budget 20 min)"

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from configs import quickstart
from launch import pipeline
from launch.stage_process import PipelineStage, StageFailure, run_stage

WRITE_OUTPUT = (
    "import sys, pathlib; p = pathlib.Path(sys.argv[1]); p.mkdir(parents=True); (p / 'metrics.json').write_text('1')"
)
PIPELINE = (sys.executable, "-m", "launch.pipeline", "--config", "configs/quickstart.py")


def python_stage(name: str, run_dir: Path, code: str = WRITE_OUTPUT) -> PipelineStage:
    output = run_dir / name
    return PipelineStage(
        name, output, [sys.executable, "-c", code, str(output)], lambda folder: (folder / "metrics.json").exists()
    )


def ran(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line.split()[1] for line in capsys.readouterr().out.splitlines() if " finished in " in line]


def test_runs_every_stage_once_and_then_skips_all(tmp_path, capsys):
    stages = [python_stage("rfsq", tmp_path), python_stage("policy", tmp_path)]
    pipeline.run_pipeline(stages, tmp_path)
    assert ran(capsys) == ["rfsq", "policy"]
    pipeline.run_pipeline(stages, tmp_path)
    assert "already there" in capsys.readouterr().out
    assert not (tmp_path / "replaced").exists()


def test_from_stage_makes_it_and_later_ones_anew_and_keeps_the_old(tmp_path, capsys):
    stages = [python_stage(name, tmp_path) for name in ("rfsq", "policy", "draft")]
    pipeline.run_pipeline(stages, tmp_path)
    capsys.readouterr()
    pipeline.run_pipeline(stages, tmp_path, from_stage="policy")
    assert ran(capsys) == ["policy", "draft"]
    assert sorted(path.name for path in tmp_path.glob("replaced/*/*")) == ["draft", "policy"]


def test_a_missing_early_output_makes_later_ones_stale(tmp_path, capsys):
    stages = [python_stage(name, tmp_path) for name in ("rfsq", "policy")]
    pipeline.run_pipeline(stages, tmp_path)
    (tmp_path / "rfsq").rename(tmp_path / "elsewhere")
    capsys.readouterr()
    pipeline.run_pipeline(stages, tmp_path)
    assert ran(capsys) == ["rfsq", "policy"]
    assert [path.name for path in tmp_path.glob("replaced/*/*")] == ["policy"]


def test_an_unfinished_stage_keeps_what_it_has(tmp_path):
    code = "import sys, pathlib; p = pathlib.Path(sys.argv[1]); (p / 'latest').rename(p / 'metrics.json')"
    stage = python_stage("rfsq", tmp_path, code)
    stage.output.mkdir()
    (stage.output / "latest").write_text("step 3")
    pipeline.run_pipeline([stage], tmp_path)
    assert (stage.output / "metrics.json").read_text() == "step 3"


def test_failing_stage_ends_the_pipeline_and_names_everything(tmp_path):
    broken = python_stage(
        "policy", tmp_path, "print('reading demos'); raise SystemExit('no demos: run launch.collect')"
    )
    later = python_stage("draft", tmp_path)
    with pytest.raises(StageFailure) as failure:
        pipeline.run_pipeline([broken, later], tmp_path)
    message = str(failure.value)
    assert "stage policy failed with exit status 1" in message
    assert "no demos: run launch.collect" in message
    assert "python -c" in message
    assert str(tmp_path / "logs" / "policy.log") in message
    assert not later.output.exists()


def test_stage_that_leaves_nothing_is_a_failure(tmp_path):
    with pytest.raises(StageFailure, match="ended without completing"):
        pipeline.run_pipeline([python_stage("policy", tmp_path, "pass")], tmp_path)


def test_unknown_stage_name_lists_the_stages(tmp_path):
    with pytest.raises(ValueError, match="from_stage='polciy' is not a stage; choose one of rfsq, policy"):
        pipeline.run_pipeline([python_stage(name, tmp_path) for name in ("rfsq", "policy")], tmp_path, "polciy")


def test_log_holds_everything_and_the_terminal_one_line(tmp_path):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    code = r"import sys; sys.stdout.write('10%\r90%\rdone\n'); sys.stderr.write('a warning\n');" + WRITE_OUTPUT
    terminal = Terminal()
    run_stage(python_stage("rfsq", tmp_path, code), tmp_path / "rfsq.log", terminal)
    log = (tmp_path / "rfsq.log").read_text()
    assert "a warning" in log
    assert "done" in log
    assert "90%" in terminal.getvalue()
    assert "\n" not in terminal.getvalue()


def test_folder_of_another_seed_is_refused(tmp_path):
    pipeline.check_same_run(tmp_path, "quickstart", 0, from_stage="")
    pipeline.check_same_run(tmp_path, "quickstart", 0, from_stage="draft")
    with pytest.raises(ValueError, match="made with seed=0, and seed=1 is asked"):
        pipeline.check_same_run(tmp_path, "quickstart", 1, from_stage="draft")
    pipeline.check_same_run(tmp_path, "quickstart", 1, from_stage="collect")
    with pytest.raises(ValueError, match="made with seed=1, and seed=0 is asked"):
        pipeline.check_same_run(tmp_path, "quickstart", 0, from_stage="")


def test_commands_are_those_of_the_documentation():
    stages = pipeline.stages_of(Path("runs/x"), "quickstart", 3)
    assert [stage.name for stage in stages] == ["collect", "rfsq", "policy", "draft", "main_head", "evaluate"]
    assert str(stages[2]) == (
        "python -m launch.train --config configs/policy.py:quickstart --config.run_dir=runs/x --config.seed=3"
    )


def test_collection_is_finished_when_all_tasks_are(tmp_path):
    collect = pipeline.stages_of(tmp_path, "tiny", 0)[0]
    suite = collect.output / "libero_spatial"
    suite.mkdir(parents=True)
    (suite / "first_demo.hdf5").touch()
    assert not collect.is_finished(collect.output)
    (suite / "collection.json").touch()
    assert collect.is_finished(collect.output)


def test_evaluation_with_missing_episodes_is_not_finished(tmp_path):
    evaluate = pipeline.stages_of(tmp_path, "tiny", 0)[-1]
    evaluate.output.mkdir()
    (evaluate.output / "report.html").touch()
    (evaluate.output / "summary.json").write_text(json.dumps({"episodes": 9, "planned": 10}))
    assert not evaluate.is_finished(evaluate.output)
    (evaluate.output / "summary.json").write_text(json.dumps({"episodes": 10, "planned": 10}))
    assert evaluate.is_finished(evaluate.output)


def test_result_is_told_as_it_is(tmp_path):
    (tmp_path / "evaluation").mkdir()
    summary = {
        "episodes": 10,
        "successes": 0,
        "errors": 0,
        "success_rate": 0.0,
        "success_interval": [0.0, 0.278],
        "token_acceptance": 0.913,
        "decoder": "speculative_greedy",
    }
    (tmp_path / "evaluation" / "summary.json").write_text(json.dumps(summary))
    text = pipeline.describe_result(tmp_path)
    assert "0/10 = 0% (95 % interval 0% to 28%)" in text
    assert "91.3%" in text
    assert str(tmp_path / "evaluation" / "report.html") in text


def test_config_is_locked_and_refuses_unknown_variants():
    with pytest.raises(AttributeError, match="from_stage"):
        quickstart.get_config().from_stag = "draft"
    with pytest.raises(ValueError, match="quickstart, tiny"):
        quickstart.get_config("large")


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

import os
import subprocess
import sys

import pytest

from launch.config_flags import parse_config
from launch.slurm.__main__ import OPTIONS, main
from rsd_jax.folder_lock import InUseError, in_use
from tests.eval_bridge.runs.places.slurm_fakes import FakeSlurm

STAGES = ["collect", "rfsq", "policy", "draft", "main_head", "evaluate_shards", "evaluate"]


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    fake = FakeSlurm(tmp_path / "fake")
    monkeypatch.setenv("PATH", f"{fake.commands}:{os.environ['PATH']}")
    return fake


def submit(run_dir, *arguments):
    for name in OPTIONS:
        OPTIONS[name].unparse()  # of the call before
    source = ["--config", "configs/quickstart.py:tiny", f"--config.run_dir={run_dir}"]
    main(parse_config([*source, *arguments], options=OPTIONS))


def names(calls):
    return [call.split("/")[-1].removesuffix(".sbatch") for call in calls]


def test_all_stages_are_submitted_once(slurm, tmp_path, capsys):
    submit(tmp_path / "run", "--nodes=2", "--sbatch=--qos=high")
    assert names(slurm.calls) == STAGES
    script = (tmp_path / "run" / "slurm" / "policy.sbatch").read_text()
    assert "#SBATCH --nodes=2" in script
    assert "#SBATCH --qos=high" in script
    assert (tmp_path / "run" / "pipeline.json").is_file()
    slurm.queue(103)
    with pytest.raises(ValueError, match=r"run has jobs in the queue: 103 \(policy\)"):
        submit(tmp_path / "run")
    assert len(slurm.calls) == len(STAGES)


def test_what_is_finished_is_not_submitted_and_what_came_from_older_outputs_is_kept_aside(slurm, tmp_path, capsys):
    run_dir = tmp_path / "run"
    (run_dir / "demos" / "libero_spatial").mkdir(parents=True)
    (run_dir / "demos" / "libero_spatial" / "collection.json").touch()
    for stage in ("rfsq", "policy"):
        (run_dir / stage).mkdir()
        (run_dir / stage / "metrics.json").touch()
    submit(run_dir, "--config.until_stage=draft")
    assert names(slurm.calls) == ["draft"]
    assert "afterok" not in slurm.calls[0]
    submit(run_dir, "--config.from_stage=policy", "--config.until_stage=draft")
    assert names(slurm.calls[1:]) == ["policy", "draft"]
    assert [path.name for path in run_dir.glob("replaced/*/*")] == ["policy"]
    (run_dir / "draft").mkdir()
    (run_dir / "draft" / "metrics.json").touch()
    (run_dir / "policy").mkdir()
    (run_dir / "policy" / "metrics.json").touch()
    submit(run_dir, "--config.until_stage=draft")
    assert len(slurm.calls) == 3
    assert "all stages are finished" in capsys.readouterr().out


def test_a_dry_run_prints_the_scripts_and_leaves_nothing(slurm, tmp_path, capsys):
    submit(tmp_path / "run", "--dry_run")
    shown = capsys.readouterr().out
    assert shown.count("#!/usr/bin/env bash") == len(STAGES)
    assert f"# {tmp_path}/run/slurm/draft.sbatch behind collect, rfsq, policy" in shown
    assert not (tmp_path / "run").exists()
    assert slurm.calls == []


def test_two_submissions_at_once_are_refused(slurm, tmp_path):
    with in_use(tmp_path / "run" / "slurm"), pytest.raises(InUseError, match="run/slurm is in use by process"):
        submit(tmp_path / "run")
    assert slurm.calls == []


def test_what_cannot_be_is_told_before_anything_is_written(slurm, tmp_path):
    with pytest.raises(ValueError, match="shards=0 must be at least 1"):
        submit(tmp_path / "run", "--shards=0")
    with pytest.raises(ValueError, match="until_stage='polcy' is not a stage"):
        submit(tmp_path / "run", "--config.until_stage=polcy")
    assert not (tmp_path / "run").exists()


def test_a_mistake_is_one_line_for_the_user(tmp_path):
    command = [sys.executable, "-m", "launch.slurm", "--config", "configs/quickstart.py:tiny", "--time=4h"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: time='4h' must read MINUTES")

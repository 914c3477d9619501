"""Handing on what a run has trained, on the miniature run that preflight trains."""

import shutil

import jax
import numpy as np
import pytest

from launch import export_checkpoint as command
from launch.config_flags import parse_config
from launch.evaluate import evaluate
from rsd_jax.checkpoints import MissingCheckpointError, load_stage
from rsd_jax.checkpoints.manifest import read_manifest, write_manifest
from rsd_jax.checkpoints.stage_checkpoints import checkpoint_digests
from rsd_jax.stored_models import export
from rsd_jax.stored_models.export import export_checkpoint
from rsd_jax.stored_models.policy import PolicyMismatchError
from rsd_jax.training.stages import CASCADE_STAGES, EARLY_EXIT_STAGES, TRAINED_STAGES

STAGES = (*TRAINED_STAGES, *CASCADE_STAGES, *EARLY_EXIT_STAGES)


@pytest.fixture(scope="module")
def exported(preflight_run, tmp_path_factory):
    """The miniature run's checkpoints, and the size that was told."""
    target = tmp_path_factory.mktemp("handed_on") / "new" / "model"
    return target, export_checkpoint(preflight_run, target)


@pytest.fixture
def copied_run(preflight_run, tmp_path):
    """A run folder that a test may damage."""
    for name in STAGES:
        shutil.copytree(preflight_run / name / "best", tmp_path / "run" / name / "best")
    return tmp_path / "run"


def test_arrays_and_metadata_of_every_stage_arrive(preflight_run, exported):
    target, _ = exported
    for name in STAGES:
        original, copy = load_stage(preflight_run, name), load_stage(target, name)
        jax.tree.map(np.testing.assert_array_equal, copy.variables, original.variables)
        assert copy.metadata == original.metadata
    assert checkpoint_digests(target, STAGES) == checkpoint_digests(preflight_run, STAGES)


def test_nothing_else_arrives(exported):
    target, size = exported
    assert [path.name for path in target.parent.iterdir()] == ["model"]
    assert sorted(path.relative_to(target).as_posix() for path in target.glob("*/*")) == sorted(
        f"{name}/best" for name in STAGES
    )
    assert size == sum(path.stat().st_size for path in target.rglob("*") if path.is_file())


def test_the_target_is_evaluated_as_a_run_is(exported, tmp_path):
    target = shutil.copytree(exported[0], tmp_path / "model")
    overrides = ("episodes_per_task=1", "video.per_task=0", "latency_repeats=0", "workers=1")
    arguments = ["--config", "configs/libero_eval.py:tiny", f"--config.run_dir={target}"]
    summary = evaluate(parse_config([*arguments, *(f"--config.{override}" for override in overrides)]))
    assert (summary.episodes, summary.errors) == (1, 0)
    assert (target / "evaluation" / "report.html").is_file()


@pytest.mark.parametrize("missing", [*TRAINED_STAGES, *CASCADE_STAGES])
def test_a_missing_stage_is_named_with_its_command(copied_run, tmp_path, missing):
    shutil.rmtree(copied_run / missing)
    expected = f"launch.train --config configs/{missing}.py --config.run_dir={copied_run}"
    with pytest.raises(MissingCheckpointError, match=expected):
        export_checkpoint(copied_run, tmp_path / "target")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("missing", [CASCADE_STAGES, EARLY_EXIT_STAGES])
def test_a_run_without_the_stages_of_a_decoder_is_handed_on_without_them(copied_run, tmp_path, missing):
    for name in missing:
        shutil.rmtree(copied_run / name)
    export_checkpoint(copied_run, tmp_path / "target")
    assert sorted(path.name for path in (tmp_path / "target").iterdir()) == sorted(set(STAGES) - set(missing))


@pytest.mark.parametrize("head", ["draft", "main_head"])
def test_stages_that_do_not_belong_together_are_refused(copied_run, tmp_path, head):
    (folder,) = copied_run.glob(f"{head}/best/*")
    content = read_manifest(folder)
    content["facts"]["policy_hash"] = "0" * 64
    write_manifest(folder, content)
    with pytest.raises(PolicyMismatchError, match=f"'{head}' was trained on the features of policy 0000"):
        export_checkpoint(copied_run, tmp_path / "target")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_an_existing_target_is_refused_and_stays(preflight_run, tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"target=.*target exists; name another folder, or move it away"):
        export_checkpoint(preflight_run, tmp_path / "target")
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["target", "target/notes.txt"]


def test_an_export_that_fails_halfway_leaves_nothing(preflight_run, tmp_path, monkeypatch):
    copy = shutil.copytree

    def copy_some(source, target, *more, **options):
        if STAGES[-1] in str(target):
            assert [path.name for path in tmp_path.iterdir()] == ["target.partial"]
            raise OSError("the disk is gone")
        return copy(source, target, *more, **options)

    monkeypatch.setattr(export.shutil, "copytree", copy_some)
    with pytest.raises(OSError, match="the disk is gone"):
        export_checkpoint(preflight_run, tmp_path / "target")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_export_left_does_not_arrive(preflight_run, tmp_path):
    left = tmp_path / "target.partial" / "other_stage"
    left.mkdir(parents=True)
    export_checkpoint(preflight_run, tmp_path / "target")
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    assert sorted(path.name for path in (tmp_path / "target").iterdir()) == sorted(STAGES)


def test_the_command_tells_the_size_or_what_is_wrong(preflight_run, tmp_path, capsys):
    command.main([str(preflight_run), str(tmp_path / "target")])
    assert f" MiB in {tmp_path / 'target'}" in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"target=.* exists"):
        command.main([str(preflight_run), str(tmp_path / "target")])

import pytest

from eval_bridge.provenance import package_versions
from rsd_jax.checkpoints import MissingCheckpointError
from rsd_jax.checkpoints.stage_checkpoints import checkpoint_digests
from rsd_jax.provenance import device_name


def _checkpoint(run_dir, stage, step, content):
    folder = run_dir / stage / "best" / f"{step:08d}"
    folder.mkdir(parents=True)
    (folder / "metadata.json").write_text(content)


def test_digest_tells_checkpoints_apart(tmp_path):
    _checkpoint(tmp_path, "rfsq", 10, "a")
    _checkpoint(tmp_path, "draft", 10, "a")
    before = checkpoint_digests(tmp_path, ("rfsq", "draft"))
    assert before["rfsq"] == before["draft"]
    _checkpoint(tmp_path, "draft", 20, "b")
    after = checkpoint_digests(tmp_path, ("rfsq", "draft"))
    assert after["rfsq"] == before["rfsq"]
    assert after["draft"] != before["draft"]


def test_missing_checkpoint_names_the_stage_and_the_command(tmp_path):
    with pytest.raises(MissingCheckpointError, match=r"launch\.train --config configs/draft\.py"):
        checkpoint_digests(tmp_path, ("draft",))


def test_machine_and_packages_are_named():
    assert device_name().startswith("CPU: ")
    assert {"python", "jax", "numpy"} <= set(package_versions())

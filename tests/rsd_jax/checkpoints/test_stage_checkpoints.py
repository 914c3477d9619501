import resource
import shutil
import signal
from contextlib import contextmanager

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.checkpoints import (
    CheckpointMetadata,
    CheckpointWriteError,
    DamagedCheckpointError,
    FormatVersionError,
    MissingCheckpointError,
    StageCheckpoints,
    load_stage,
)
from rsd_jax.checkpoints.manifest import MANIFEST, MANIFEST_DIGEST, read_manifest, write_manifest
from rsd_jax.checkpoints.params_hash import hash_params


def trees(value=1.0):
    params = {"layer": {"kernel": jnp.full((64, 64), value), "bias": jnp.arange(3.0)}, "empty": {}}
    return {"variables": {"params": params, "model_state": {"count": jnp.asarray(5, jnp.int32)}}}


def metadata(step=10, **changes):
    return CheckpointMetadata(stage="draft", step=step, config={"seed": 1}, **changes)


@pytest.fixture
def saved(tmp_path):
    """A run folder whose stage ``draft`` has a best checkpoint."""
    StageCheckpoints(tmp_path / "draft").save("best", trees(), metadata(metrics={"mse": np.float32(0.5)}))
    return tmp_path


def test_a_stage_is_loaded_as_it_was_saved(saved):
    stage = load_stage(saved, "draft")
    jax.tree.map(np.testing.assert_array_equal, stage.variables, trees()["variables"])
    assert stage.variables["params"]["empty"] == {}
    assert stage.variables["params"]["layer"]["kernel"].sharding.device_set == {jax.local_devices()[0]}
    assert stage.metrics == {"mse": 0.5}
    assert stage.metadata == metadata(metrics={"mse": 0.5})
    assert {"python", "jax", "flax", "orbax-checkpoint", "rsd_jax"} <= set(stage.metadata.versions)


def test_training_state_is_restored_in_its_own_types(tmp_path):
    state = {"training": {"key": jax.random.key(3), "state": (jnp.ones(2, jnp.bfloat16), None), "raw": {}}}
    checkpoints = StageCheckpoints(tmp_path)
    checkpoints.save("latest", state, metadata())
    restored = checkpoints.restore("latest", like=state)
    assert jax.tree.structure(restored) == jax.tree.structure(state)
    assert jax.random.key_data(restored["training"]["key"]).tolist() == [0, 3]
    assert restored["training"]["state"][0].dtype == jnp.bfloat16


def test_a_newer_checkpoint_replaces_the_older_one(saved):
    checkpoints = StageCheckpoints(saved / "draft")
    (saved / "draft" / "best" / "00000015.partial").mkdir()  # left by a process that was killed
    checkpoints.save("best", trees(2.0), metadata(step=20))
    assert [path.name for path in (saved / "draft" / "best").iterdir()] == ["00000020"]
    assert load_stage(saved, "draft").variables["params"]["layer"]["kernel"][0, 0] == 2.0


def test_missing_checkpoint_names_stage_and_command(tmp_path):
    with pytest.raises(MissingCheckpointError) as caught:
        load_stage(tmp_path, "draft")
    command = f"python -m launch.train --config configs/draft.py --config.run_dir={tmp_path}"
    assert "stage 'draft'" in str(caught.value)
    assert command in str(caught.value)


def files_of(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("damage", ["truncated", "altered", "missing"])
def test_every_damaged_file_is_noticed_and_named(saved, damage):
    folder = saved / "draft" / "best" / "00000010"
    whole = saved / "whole"
    shutil.copytree(folder, whole)
    for original in files_of(whole):
        path = folder / original.relative_to(whole)
        content = original.read_bytes()
        if not content and damage != "missing":
            continue
        if damage == "truncated":
            path.write_bytes(content[: len(content) // 2])
        elif damage == "altered":
            middle = len(content) // 2
            path.write_bytes(content[:middle] + bytes([content[middle] ^ 0x80]) + content[middle + 1 :])
        else:
            path.unlink()
        if damage == "missing" and path.name == MANIFEST_DIGEST:
            continue  # as an earlier version wrote it
        with pytest.raises(DamagedCheckpointError, match=path.name):
            load_stage(saved, "draft")
        path.write_bytes(content)
    load_stage(saved, "draft")


def test_one_other_digit_in_the_facts_is_noticed(saved):
    """Whatever else a run holds may be right: facts hold normalizers, which no array tells."""
    folder = saved / "draft" / "best" / "00000010"
    StageCheckpoints(saved / "draft").save("best", trees(), metadata(facts={"center": [0.1728, 0.25]}))
    text = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(text.replace("0.1728", "0.1738"))
    with pytest.raises(DamagedCheckpointError, match=r"00000010 is damaged: metadata.json is altered, or meta"):
        load_stage(saved, "draft")
    with pytest.raises(DamagedCheckpointError, match=r"Put back an intact copy, or move this folder away"):
        StageCheckpoints(saved / "draft").read_metadata("best")


def test_a_checkpoint_of_an_earlier_version_is_read_with_a_note(saved, caplog):
    (saved / "draft" / "best" / "00000010" / MANIFEST_DIGEST).unlink()
    assert load_stage(saved, "draft").metrics == {"mse": 0.5}
    load_stage(saved, "draft")
    assert [record.getMessage().count("has no metadata.sha256") for record in caplog.records] == [1]


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (lambda content: content.pop("facts") and content.update(fbcts={}), "other fields than it must .*fbcts"),
        (lambda content: content.update(step="10"), "step = '10', no int"),
        (lambda content: content.update(facts=[]), r"facts = \[\], no dict"),
    ],
)
def test_fields_that_no_checkpoint_has_are_named(saved, edit, named):
    folder = saved / "draft" / "best" / "00000010"
    content = {**read_manifest(folder), "facts": {"a": 1}}
    edit(content)
    write_manifest(folder, content)
    with pytest.raises(DamagedCheckpointError, match=f"00000010 is damaged: its metadata has {named}"):
        load_stage(saved, "draft")


def test_another_format_version_is_an_error_that_names_both(saved):
    folder = saved / "draft" / "best" / "00000010"
    write_manifest(folder, {**read_manifest(folder), "format_version": 0})
    with pytest.raises(FormatVersionError, match=r"format version 0 \(written by rsd_jax .*reads version 1"):
        load_stage(saved, "draft")


@contextmanager
def limited_files(size):
    """A limit on the size of files stands in for a full disk."""
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)


def test_a_full_disk_leaves_nothing_half_written(saved):
    before = files_of(saved)
    with limited_files(512), pytest.raises(CheckpointWriteError, match=r"cannot write .*00000020.*free space"):
        StageCheckpoints(saved / "draft").save("best", trees(), metadata(step=20))
    assert files_of(saved) == before
    assert load_stage(saved, "draft").metadata.step == 10


def leaves():
    """Those of `trees`, and one of another tree."""
    params = trees()["variables"]["params"]
    yield ("variables", "params", "layer", "bias"), params["layer"]["bias"]
    yield ("variables", "params", "layer", "kernel"), params["layer"]["kernel"]
    yield ("variables", "params", "empty"), {}
    yield ("variables", "model_state", "count"), jnp.asarray(5, jnp.int32)
    yield ("others", "a.b"), np.ones(3, np.float32)


def test_a_stage_that_was_written_piecewise_is_like_one_that_was_written_at_once(tmp_path):
    (tmp_path / "words.txt").write_text("pick up")
    checkpoints = StageCheckpoints(tmp_path / "draft")
    folder = checkpoints.save_piecewise(leaves(), metadata(), {"texts/words": tmp_path / "words.txt"}, piece_bytes=64)
    stage = load_stage(tmp_path, "draft")
    jax.tree.map(np.testing.assert_array_equal, stage.variables, trees()["variables"])
    assert stage.saved_hash == hash_params(trees()["variables"]["params"])
    assert (stage.folder, stage.metadata) == (folder, metadata())
    (folder / "texts/words").write_text("put down")
    with pytest.raises(DamagedCheckpointError, match="file texts/words is truncated or altered"):
        load_stage(tmp_path, "draft")


def test_a_full_disk_leaves_nothing_of_a_piecewise_checkpoint(saved):
    before = files_of(saved)
    with limited_files(512), pytest.raises(CheckpointWriteError, match=r"cannot write checkpoint .*00000020"):
        StageCheckpoints(saved / "draft").save_piecewise(leaves(), metadata(step=20), {})
    assert files_of(saved) == before


def test_an_unwritable_folder_is_an_error_that_names_it(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointWriteError, match=r"file/draft/best/00000010.*writable --config.run_dir"):
        StageCheckpoints(tmp_path / "file" / "draft").save("best", trees(), metadata())

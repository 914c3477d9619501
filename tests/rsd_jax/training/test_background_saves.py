import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.checkpoints import CheckpointMetadata, CheckpointWriteError, StageCheckpoints, array_files
from rsd_jax.checkpoints.stage_checkpoints import load_stage
from rsd_jax.training.background_saves import BackgroundSaves


def trees(value):
    return {"variables": {"params": {"w": jnp.full((4, 4), value)}, "model_state": {"calls": jnp.asarray(3)}}}


def metadata(step):
    return CheckpointMetadata(stage="toy", step=step, config={})


@pytest.fixture
def disk(monkeypatch):
    """Writing ends only when this is set."""
    is_fast, finish = threading.Event(), array_files.finish_writing

    def finish_when_fast(writing, directory):
        assert is_fast.wait(30)
        finish(writing, directory)

    monkeypatch.setattr(array_files, "finish_writing", finish_when_fast)
    return is_fast


def test_a_save_waits_for_no_disk_and_keeps_the_values_it_was_given(tmp_path, disk):
    change = jax.jit(lambda tree: jax.tree.map(lambda array: array + 1, tree), donate_argnums=0)
    with BackgroundSaves(StageCheckpoints(tmp_path / "toy")) as saves:
        state = trees(1.0)
        saves.add("best", state, metadata(1))
        saves.add("latest", state, metadata(1))
        state = change(state)  # which takes the memory of what was given
        saves.advance()
        saves.advance()
        assert StageCheckpoints(tmp_path / "toy").find("best") is None
        disk.set()
        saves.finish()
    for which in ("best", "latest"):
        loaded = load_stage(tmp_path, "toy", which)
        np.testing.assert_array_equal(loaded.variables["params"]["w"], np.ones((4, 4)))
    assert float(state["variables"]["params"]["w"][0, 0]) == 2.0


def test_the_newest_whole_one_is_there_until_the_next_is_whole(tmp_path, disk):
    checkpoints = StageCheckpoints(tmp_path / "toy")
    with BackgroundSaves(checkpoints) as saves:
        disk.set()
        saves.add("latest", trees(1.0), metadata(1))
        saves.finish()
        disk.clear()
        saves.add("latest", trees(2.0), metadata(2))
        saves.advance()
        assert load_stage(tmp_path, "toy", "latest").metadata.step == 1
        disk.set()
        saves.finish()
    assert [path.name for path in (tmp_path / "toy" / "latest").iterdir()] == ["00000002"]


def test_a_second_save_of_a_kind_waits_for_the_first(tmp_path, disk):
    """So memory is bounded: two copies of the state are never alive."""
    with BackgroundSaves(StageCheckpoints(tmp_path / "toy")) as saves:
        saves.add("latest", trees(1.0), metadata(1))
        saves.advance()
        threading.Timer(0.3, disk.set).start()
        saves.add("latest", trees(2.0), metadata(2))
        assert load_stage(tmp_path, "toy", "latest").metadata.step == 1
        assert saves.longest_stop > 0.2
        saves.finish()
    assert load_stage(tmp_path, "toy", "latest").metadata.step == 2


def test_a_failure_in_the_background_is_raised_by_the_next_call_and_leaves_nothing(tmp_path, monkeypatch):
    def fail(writing, directory):
        writing.result()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(array_files, "finish_writing", fail)
    saves = BackgroundSaves(StageCheckpoints(tmp_path / "toy"))
    saves.add("latest", trees(1.0), metadata(1))
    saves.add("best", trees(1.0), metadata(1))
    with pytest.raises(CheckpointWriteError, match=r"latest/00000001: .*No space left .*free space"):
        saves.finish()
    saves.finish()
    assert list((tmp_path / "toy" / "latest").iterdir()) == []
    assert not (tmp_path / "toy" / "best").exists()  # what waited is given up


def test_an_error_in_the_training_ends_what_was_begun(tmp_path, disk):
    def train():
        with BackgroundSaves(StageCheckpoints(tmp_path / "toy")) as saves:
            saves.add("latest", trees(1.0), metadata(1))
            threading.Timer(0.2, disk.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train()
    assert load_stage(tmp_path, "toy", "latest").metadata.step == 1


def test_without_room_for_a_copy_the_caller_waits(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("rsd_jax.training.background_saves.free_bytes", lambda devices, at_peak: 50)
    with caplog.at_level("INFO", logger="rsd_jax"), BackgroundSaves(StageCheckpoints(tmp_path / "toy")) as saves:
        saves.add("latest", trees(1.0), metadata(1))
        assert load_stage(tmp_path, "toy", "latest").metadata.step == 1
    assert "the steps wait until it is saved" in caplog.text

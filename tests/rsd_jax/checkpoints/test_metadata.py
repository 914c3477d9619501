import numpy as np
import pytest

from rsd_jax.checkpoints import CheckpointMetadata, DamagedCheckpointError
from rsd_jax.checkpoints.metadata import json_value
from rsd_jax.provenance import git_commit


def test_numpy_values_become_plain_json():
    value = {"a": np.float32(0.5), "b": np.arange(2), "c": (1, None), "d": np.int64(3)}
    assert json_value(value) == {"a": 0.5, "b": [0, 1], "c": [1, None], "d": 3}


def test_values_that_are_no_json_are_refused():
    with pytest.raises(TypeError, match="got object"):
        json_value({"a": object()})


def test_parts_of_a_training_are_told_and_nothing_where_there_are_none(tmp_path):
    alone = CheckpointMetadata("policy", 3, {}).to_json()
    assert "parts" not in alone  # which earlier versions read
    assert CheckpointMetadata.from_json(alone, tmp_path).parts == []
    went_on = CheckpointMetadata("policy", 3, {}, parts=[{"run": "first"}])
    assert CheckpointMetadata.from_json(went_on.to_json(), tmp_path) == went_on
    with pytest.raises(DamagedCheckpointError, match="parts = 3, no list"):
        CheckpointMetadata.from_json(alone | {"parts": 3}, tmp_path)


def test_a_copy_without_history_tells_its_commit(monkeypatch):
    ask = git_commit.__wrapped__  # what a program is told once and keeps
    monkeypatch.setenv("RSD_COMMIT", "0123abcd")
    assert ask() == "0123abcd"
    monkeypatch.delenv("RSD_COMMIT")
    assert ask() != "0123abcd"

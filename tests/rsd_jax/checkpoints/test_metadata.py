import numpy as np
import pytest

from rsd_jax.checkpoints import CheckpointMetadata, TokenizerMismatchError, require_tokenizer
from rsd_jax.checkpoints.metadata import json_value
from rsd_jax.provenance import git_commit


def test_the_right_tokenizer_is_accepted():
    require_tokenizer(CheckpointMetadata("draft", 1, {}, facts={"tokenizer_hash": "abc"}), "abc")


def test_another_tokenizer_is_an_error_that_names_both_and_the_fix():
    metadata = CheckpointMetadata("draft", 1, {}, facts={"tokenizer_hash": "abc"})
    with pytest.raises(
        TokenizerMismatchError, match=r"'draft' was trained with tokenizer abc.* is def; .*configs/draft"
    ):
        require_tokenizer(metadata, "def")


def test_numpy_values_become_plain_json():
    value = {"a": np.float32(0.5), "b": np.arange(2), "c": (1, None), "d": np.int64(3)}
    assert json_value(value) == {"a": 0.5, "b": [0, 1], "c": [1, None], "d": 3}


def test_values_that_are_no_json_are_refused():
    with pytest.raises(TypeError, match="got object"):
        json_value({"a": object()})


def test_a_copy_without_history_tells_its_commit(monkeypatch):
    ask = git_commit.__wrapped__  # what a program is told once and keeps
    monkeypatch.setenv("RSD_COMMIT", "0123abcd")
    assert ask() == "0123abcd"
    monkeypatch.delenv("RSD_COMMIT")
    assert ask() != "0123abcd"

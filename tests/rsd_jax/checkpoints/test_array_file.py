from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from rsd_jax.checkpoints.array_file import ArrayFileError, read_array_file, write_array_file

ARRAYS = {"a": {"b": np.arange(6, dtype=np.float32).reshape(2, 3)}, "c": np.array([True, False])}


def test_arrays_and_metadata_come_back(tmp_path: Path) -> None:
    write_array_file(tmp_path / "new" / "x.safetensors", ARRAYS, {"n": [1, 2], "s": "t"})
    metadata, arrays = read_array_file(tmp_path / "new" / "x.safetensors")
    assert metadata == {"n": [1, 2], "s": "t"}
    np.testing.assert_array_equal(arrays["a"]["b"], ARRAYS["a"]["b"])
    assert arrays["c"].dtype == bool


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_array_file(path, ARRAYS, {})
    before = path.read_bytes()
    with pytest.raises(TypeError):
        write_array_file(path, ARRAYS, {"not": object()})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["x.safetensors"]


def test_files_of_others_are_refused(tmp_path: Path) -> None:
    save_file({"x": np.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ArrayFileError, match="was not written by rsd_jax"):
        read_array_file(tmp_path / "other.safetensors")
    with pytest.raises(ArrayFileError, match=r"none.safetensors cannot be read"):
        read_array_file(tmp_path / "none.safetensors")

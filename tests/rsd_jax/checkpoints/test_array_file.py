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


def test_no_byte_changes_without_being_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_array_file(path, ARRAYS, {"n": [1, 2]})
    whole = path.read_bytes()
    for place, byte in enumerate(whole):
        path.write_bytes(whole[:place] + bytes([byte ^ 1 << place % 8]) + whole[place + 1 :])
        with pytest.raises(ArrayFileError, match=r"x.safetensors cannot be read"):
            read_array_file(path)


def test_a_file_of_an_earlier_version_is_read_with_a_note(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "earlier.safetensors"
    save_file({"a/b": ARRAYS["a"]["b"]}, path, {"rsd_jax": '{"n": 1}'})
    metadata, arrays = read_array_file(path)
    assert metadata == {"n": 1}
    np.testing.assert_array_equal(arrays["a"]["b"], ARRAYS["a"]["b"])
    assert "earlier.safetensors holds no digest" in caplog.text
    save_file({"a/b": ARRAYS["a"]["b"]}, path, {"rsd_jax": '{"n": 1}', "sha257": "0"})
    with pytest.raises(ArrayFileError, match="its header is altered, or of a later version: it holds sha257"):
        read_array_file(path)


def test_files_of_others_are_refused(tmp_path: Path) -> None:
    save_file({"x": np.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ArrayFileError, match="was not written by rsd_jax"):
        read_array_file(tmp_path / "other.safetensors")
    with pytest.raises(ArrayFileError, match=r"none.safetensors cannot be read"):
        read_array_file(tmp_path / "none.safetensors")

"""Read back by our own reader; tests/parity reads such files with PyTorch."""

import ml_dtypes
import numpy as np
import pytest

from rsd_jax.stored_models.torch_file import read_torch_file
from rsd_jax.stored_models.torch_file_writing import write_torch_file


def test_arrays_come_back_by_name_in_their_types_and_shapes(tmp_path):
    arrays = {
        "matrix": np.arange(6, dtype=np.float32).reshape(2, 3),
        "turned": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "small": np.asarray([1.5, -2.0], ml_dtypes.bfloat16),
        "scalar": np.asarray(3, np.int64),
        "empty": np.zeros((0, 4), np.float16),
    }
    write_torch_file(tmp_path / "a.pt", arrays)
    read = read_torch_file(tmp_path / "a.pt")
    assert list(read) == list(arrays)
    for name, array in arrays.items():
        assert (read[name].dtype, read[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(read[name], array)


def test_a_type_that_is_not_written_is_named(tmp_path):
    with pytest.raises(ValueError, match="b has type uint32; it must be one of float64"):
        write_torch_file(tmp_path / "a.pt", {"b": np.zeros(1, np.uint32)})
    assert list(tmp_path.iterdir()) == []

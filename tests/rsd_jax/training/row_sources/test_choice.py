import numpy as np
import pytest

from rsd_jax.distributed.mesh import MeshConfig, make_mesh
from rsd_jax.training.row_sources import ResidentRows, RowOrder, StreamedRows, choice, count_rows, open_rows

ROWS = {"numbers": np.arange(10, dtype=np.int32)}


def open_toy(place, tmp_path):
    return open_rows(place, ROWS, RowOrder(10, 2, 0), make_mesh(MeshConfig()), 1, tmp_path, "toy")


def test_automatic_choice_leaves_rows_on_a_host_without_accelerator(tmp_path):
    assert isinstance(open_toy("auto", tmp_path), StreamedRows)
    assert isinstance(open_toy("host", tmp_path), StreamedRows)
    assert not list(tmp_path.iterdir())


def test_disk_writes_rows_and_device_places_them(tmp_path):
    assert isinstance(open_toy("disk", tmp_path), StreamedRows)
    assert len(list(tmp_path.glob("toy-*/numbers.bin"))) == 1
    assert isinstance(open_toy("device", tmp_path), ResidentRows)


@pytest.mark.parametrize(("free", "fit"), [(80, choice._WHOLE), (79, choice._SPLIT), (20, choice._SPLIT), (19, 2)])
def test_forty_bytes_on_four_devices_take_at_most_half_of_what_is_free(free, fit):
    assert choice._fit(40, free, num_shards=4) == fit


def test_rows_that_do_not_fit_are_an_error_that_names_the_fix(tmp_path, monkeypatch):
    monkeypatch.setattr(choice, "free_bytes", lambda devices: 79)
    with pytest.raises(ValueError, match=r"40 bytes of rows.*50% of the 79 bytes.*give training.data=host"):
        open_toy("device", tmp_path)


def test_rows_of_different_lengths_are_an_error():
    with pytest.raises(ValueError, match=r"one leading axis.*'a': 3, 'b': 2"):
        count_rows({"a": np.zeros(3), "b": np.zeros(2)})


def test_no_rows_are_an_error():
    with pytest.raises(ValueError, match="at least 1 row"):
        count_rows({"a": np.zeros((0, 3))})

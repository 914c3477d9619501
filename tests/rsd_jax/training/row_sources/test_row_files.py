import os

import numpy as np
import pytest

from rsd_jax.training.row_sources.row_files import DamagedRowFilesError, rows_on_disk, stored_rows

ROWS = {"numbers": np.arange(6, dtype=np.float32).reshape(3, 2), "mask": np.array([True, False, True])}


def test_appended_rows_come_back_mapped_and_are_made_once(tmp_path):
    calls = []

    def write(writer):
        calls.append(writer)
        writer.append(ROWS)
        writer.append({name: array[:1] for name, array in ROWS.items()})

    for _ in range(2):
        stored = stored_rows(tmp_path / "rows", write)
        np.testing.assert_array_equal(stored["numbers"], [[0, 1], [2, 3], [4, 5], [0, 1]])
        assert stored["mask"].tolist() == [True, False, True, True]
        assert all(isinstance(array, np.memmap) and not array.flags.writeable for array in stored.values())
    assert len(calls) == 1


def test_nothing_half_made_is_ever_read(tmp_path):
    def write_a_part(writer):
        writer.append(ROWS)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stored_rows(tmp_path / "rows", write_a_part)
    assert not (tmp_path / "rows").exists()
    stored = stored_rows(tmp_path / "rows", lambda writer: writer.append(ROWS))
    assert len(stored["numbers"]) == 3


def test_rows_are_found_by_their_content(tmp_path):
    first, again = rows_on_disk(ROWS, tmp_path, "toy"), rows_on_disk(ROWS, tmp_path, "toy")
    other = rows_on_disk({**ROWS, "numbers": -ROWS["numbers"]}, tmp_path, "toy")
    assert first["numbers"].filename == again["numbers"].filename != other["numbers"].filename
    np.testing.assert_array_equal(other["numbers"], -ROWS["numbers"])


def test_mapped_rows_stay_where_they_are(tmp_path):
    mapped = rows_on_disk(ROWS, tmp_path / "first", "toy")
    mixed = rows_on_disk({**mapped, "mask": ROWS["mask"]}, tmp_path / "second", "toy")
    assert mixed["numbers"].filename == mapped["numbers"].filename
    assert [path.name for path in (tmp_path / "second").glob("*/*.bin")] == ["mask.bin"]


def test_rows_of_another_type_are_refused(tmp_path):
    def write(writer):
        writer.append(ROWS)
        writer.append({"numbers": ROWS["numbers"].astype(np.float64)})

    with pytest.raises(ValueError, match=r"rows 'numbers' are .*<f8.* but those before were .*<f4"):
        stored_rows(tmp_path / "rows", write)


def test_a_truncated_file_names_itself_and_the_fix(tmp_path):
    rows_on_disk(ROWS, tmp_path, "toy")
    (path,) = tmp_path.glob("*/numbers.bin")
    os.truncate(path, 20)
    with pytest.raises(DamagedRowFilesError, match=r"numbers.bin holds 20 bytes; .* are 24: remove the folder"):
        rows_on_disk(ROWS, tmp_path, "toy")

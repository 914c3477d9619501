"""Rows that are written piece by piece."""

import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.training.row_sources.resumable_rows import make_rows, verify_rows
from rsd_jax.training.row_sources.row_files import DamagedRowFilesError, map_rows_of

PIECES = [
    {"train.x": np.arange(6, dtype=np.float32).reshape(3, 2)},
    {"train.x": np.float32([[6, 7]])},
    {"heldout.x": np.ones((2, 3), jnp.bfloat16)},
]


class Maker:
    """Gives pieces, and is stopped before one of them."""

    def __init__(self, stop=None):
        self.stop, self.made = stop, []

    def __call__(self, first):
        for number, piece in enumerate(PIECES[first:], first):
            if number == self.stop:
                raise KeyboardInterrupt
            self.made.append(number)
            yield piece


def assert_whole(folder):
    verify_rows(folder)
    rows = map_rows_of(folder)
    np.testing.assert_array_equal(rows["train.x"], np.arange(8, dtype=np.float32).reshape(4, 2), strict=True)
    assert rows["heldout.x"].dtype == jnp.bfloat16
    assert rows["heldout.x"].shape == (2, 3)


def test_stopped_rows_go_on_and_are_not_there_before_the_last(tmp_path):
    folder, first, second = tmp_path / "rows", Maker(stop=2), Maker()
    with pytest.raises(KeyboardInterrupt):
        make_rows(folder, 3, first)
    assert not folder.exists()
    make_rows(folder, 3, second)
    assert (first.made, second.made) == ([0, 1], [2])
    assert_whole(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["heldout.x.bin", "rows.json", "train.x.bin"]


@pytest.mark.parametrize("behind", [b"half a row", b""])
def test_what_was_written_behind_the_last_whole_piece_is_made_again(tmp_path, behind):
    folder, second = tmp_path / "rows", Maker()
    with pytest.raises(KeyboardInterrupt):
        make_rows(folder, 3, Maker(stop=2))
    file = tmp_path / "rows.partial" / "train.x.bin"
    file.write_bytes(file.read_bytes() + behind if behind else file.read_bytes()[:-1])
    make_rows(folder, 3, second)
    assert second.made == ([2] if behind else [1, 2])
    assert_whole(folder)


def test_a_line_of_the_journal_that_was_cut_counts_for_nothing(tmp_path):
    folder, second = tmp_path / "rows", Maker()
    with pytest.raises(KeyboardInterrupt):
        make_rows(folder, 3, Maker(stop=2))
    journal = tmp_path / "rows.partial" / "pieces.jsonl"
    journal.write_text(journal.read_text()[:-20])
    make_rows(folder, 3, second)
    assert second.made == [1, 2]
    assert_whole(folder)


def test_an_altered_byte_is_found(tmp_path):
    make_rows(tmp_path / "rows", 3, Maker())
    file = tmp_path / "rows" / "train.x.bin"
    content = bytearray(file.read_bytes())
    content[-2] ^= 1
    file.write_bytes(content)
    with pytest.raises(DamagedRowFilesError, match=r"train\.x\.bin is altered; remove the folder"):
        verify_rows(tmp_path / "rows")

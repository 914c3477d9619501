import hashlib
import os
from pathlib import Path

import pytest

from rsd_jax.training.demonstration_digests import content_digests


@pytest.fixture
def files(tmp_path):
    """Two files that were written long ago."""
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        write(path, path.name, age=100.0)
    return paths


def write(path, text, age):
    path.write_text(text)
    written = path.stat().st_mtime - age
    os.utime(path, (written, written))


def digests(*texts):
    return [hashlib.blake2b(text.encode()).digest() for text in texts]


def test_a_file_is_read_once(files, tmp_path, monkeypatch):
    assert content_digests(files, tmp_path / "rows" / "notes.json") == digests("a", "b")
    monkeypatch.setattr(Path, "open", lambda path, mode="r", original=Path.open: _only_locks(path, mode, original))
    assert content_digests(files, tmp_path / "rows" / "notes.json") == digests("a", "b")


def _only_locks(path, mode, original):
    assert path.suffix in (".lock", ".json"), path
    return original(path, mode)


@pytest.mark.parametrize("change", ["size", "time", "damaged notes"])
def test_what_has_changed_is_read_again(files, tmp_path, change):
    content_digests(files, tmp_path / "notes.json")
    if change == "damaged notes":
        text = (tmp_path / "notes.json").read_text()
        (tmp_path / "notes.json").write_text(text.replace('"digest": "', '"digest": "0', 1))
        assert content_digests(files, tmp_path / "notes.json") == digests("a", "b")
        return
    text = "other" if change == "size" else "B"
    write(files[1], text, age=100.0 if change == "size" else 50.0)
    assert content_digests(files, tmp_path / "notes.json") == digests("a", text)


def test_a_file_that_has_just_been_written_is_not_noted(files, tmp_path):
    write(files[1], "b", age=0.0)
    content_digests(files, tmp_path / "notes.json")
    assert str(files[1]) not in (tmp_path / "notes.json").read_text()
    assert str(files[0]) in (tmp_path / "notes.json").read_text()

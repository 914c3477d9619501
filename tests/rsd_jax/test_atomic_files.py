import json
from pathlib import Path

import pytest

from rsd_jax.atomic_files import write_atomically, write_json


def test_replaces_a_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "file.json"
    write_json(path, {"a": [1, 2]})
    write_json(path, {"b": "\N{GREEK SMALL LETTER PI}"})
    assert json.loads(path.read_text()) == {"b": "\N{GREEK SMALL LETTER PI}"}
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_earlier_file(tmp_path, monkeypatch):
    path = tmp_path / "file.txt"
    write_atomically(path, "before")

    def fail(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, "after")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_what_json_has_not_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(TypeError):
        write_json(tmp_path / "file.json", {"a": object()})
    assert list(tmp_path.iterdir()) == []

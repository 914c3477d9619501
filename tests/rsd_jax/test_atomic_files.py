import errno
import json
import os
from pathlib import Path

import pytest

from rsd_jax.atomic_files import whole_file, whole_folder, write_atomically, write_json


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def path_of(descriptor):
    return Path(f"/proc/self/fd/{descriptor}").readlink()


@pytest.fixture
def synced(monkeypatch):
    """Names of what was brought to the disk, and of what was renamed, in order."""
    seen = []
    fsync, rename, replace = os.fsync, Path.rename, Path.replace

    def noted_fsync(descriptor):
        seen.append(path_of(descriptor).name)
        fsync(descriptor)

    monkeypatch.setattr("rsd_jax.atomic_files.os.fsync", noted_fsync)
    monkeypatch.setattr(Path, "rename", lambda path, to: (seen.append(f"-> {to.name}"), rename(path, to)))
    monkeypatch.setattr(Path, "replace", lambda path, to: (seen.append(f"-> {to.name}"), replace(path, to)))
    return seen


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


def test_a_file_is_on_the_disk_before_it_gets_its_name_and_its_name_is_after(tmp_path, synced):
    write_atomically(tmp_path / "file.txt", "text")
    assert synced == ["file.txt.partial", "-> file.txt", tmp_path.name]


def test_what_a_killed_process_left_of_a_file_does_not_arrive(tmp_path):
    (tmp_path / "file.txt.partial").write_text("a longer text")
    write_atomically(tmp_path / "file.txt", "short")
    assert (tmp_path / "file.txt").read_text() == "short"
    assert names(tmp_path) == ["file.txt"]


def test_an_exception_while_a_file_is_written_leaves_the_earlier_one(tmp_path):
    path = tmp_path / "file.txt"
    write_atomically(path, "before")

    def write_half():
        with whole_file(path) as partial:
            partial.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert path.read_text() == "before"
    assert names(tmp_path) == ["file.txt"]


def test_a_folder_appears_with_all_its_files_on_the_disk(tmp_path, synced):
    path = tmp_path / "new" / "folder"
    with whole_folder(path) as partial:
        (partial / "inner").mkdir()
        (partial / "inner" / "a").write_text("a")
        (partial / "b").write_text("b")
        assert not path.exists()
    assert sorted(synced[:4]) == ["a", "b", "folder.partial", "inner"]
    assert synced[4:] == ["-> folder", "new"]
    assert names(path.parent) == ["folder"]
    assert names(path) == ["b", "inner"]


def test_a_failure_or_a_kill_leaves_nothing_of_a_folder(tmp_path):
    (tmp_path / "folder.partial").mkdir()  # of a killed process
    (tmp_path / "folder.partial" / "old").touch()

    def write_half():
        with whole_folder(tmp_path / "folder") as partial:
            assert names(partial) == []
            (partial / "half").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert names(tmp_path) == []


def test_a_folder_replaces_another_only_where_it_is_said(tmp_path):
    path = tmp_path / "folder"
    for name in ("first", "second"):
        with whole_folder(path, replaces=True) as partial:
            (partial / name).touch()
    assert names(path) == ["second"]
    with pytest.raises(OSError, match="not empty"), whole_folder(path) as partial:
        (partial / "third").touch()
    assert names(path) == ["second"]
    assert names(tmp_path) == ["folder"]


def test_a_file_system_without_lists_of_names_to_wait_for_is_no_failure(tmp_path, monkeypatch):
    fsync = os.fsync

    def of_files_only(descriptor):
        if path_of(descriptor).is_dir():
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr("rsd_jax.atomic_files.os.fsync", of_files_only)
    with whole_folder(tmp_path / "folder") as partial:
        (partial / "a").touch()
    assert names(tmp_path / "folder") == ["a"]

"""What is altered in a file is noticed, what is healthy is not called damaged, and nothing hangs."""

import fcntl
import itertools
import os
import random
import time

import h5py
import numpy as np
import pytest

from rsd_jax.demos.libero_hdf5 import (
    DemoFileError,
    EpisodeDescription,
    Hdf5Demos,
    SceneDescription,
    concatenate,
    lacks_frames,
    read_demos,
    read_seeds,
    seal,
    structure_check,
    write_episode,
)
from rsd_jax.demos.libero_hdf5.digest import USER_BLOCK
from rsd_jax.demos.libero_hdf5.opening_faults import is_locked
from tests.rsd_jax.demos.demo_examples import WITHOUT_FRAMES, assert_same_demo, example_demo

SCENE = SceneDescription(bddl_file_content="(define (problem ...))" * 20)


@pytest.fixture
def path(tmp_path):
    """A file of two demonstrations without frames."""
    for seed in (0, 1):
        write_episode(tmp_path / f"{seed}.part", example_demo(seed, **WITHOUT_FRAMES), SCENE, EpisodeDescription())
    concatenate([tmp_path / "0.part", tmp_path / "1.part"], tmp_path / "task_demo.hdf5")
    return tmp_path / "task_demo.hdf5"


def _is_right(path):
    demos = read_demos(path)
    for seed, demo in enumerate(demos):
        assert_same_demo(demo, example_demo(seed, **WITHOUT_FRAMES))
    return len(demos) == 2


def test_everything_in_a_file_has_a_checksum(path):
    with h5py.File(path) as file:
        datasets = []
        file.visititems(lambda name, item: datasets.append(item) if isinstance(item, h5py.Dataset) else None)
        assert len(datasets) == 22
        assert all(dataset.fletcher32 for dataset in datasets)
    write_episode(path, example_demo(), SCENE, EpisodeDescription())
    with h5py.File(path) as file:
        assert file["data/demo_0/obs/agentview_rgb"].fletcher32


def test_a_bit_altered_anywhere_is_noticed_or_harmless(path):
    """Of the places that HDF5 checks itself only a few are tried: each costs a process."""
    content = path.read_bytes()
    texts = range(content.index(b"GCOL"), content.index(b"GCOL") + 400)
    line = range(0, 240)
    elsewhere = random.Random(0).sample([place for place in range(USER_BLOCK, len(content)) if place not in texts], 4)
    outcomes = {"right": 0, "noticed": 0}
    for place in itertools.chain(line[::8], texts[::16], elsewhere):
        altered = bytearray(content)
        altered[place] ^= 1 << place % 8
        path.write_bytes(altered)
        try:
            assert _is_right(path), f"silently other: bit {place % 8} of byte {place}"
            outcomes["right"] += 1
        except DemoFileError:
            outcomes["noticed"] += 1
    assert outcomes["noticed"] > 40


def test_an_altered_text_is_called_damage(path):
    content = path.read_bytes()
    path.write_bytes(content.replace(b"pick up the bowl", b"pick up the bawl", 1))
    with pytest.raises(DemoFileError, match=r"all episodes: file: is damaged: it is not as it was written, .* again"):
        read_demos(path)


def test_an_altered_number_is_called_damage(path):
    content = path.read_bytes()
    with h5py.File(path) as file:
        begin = file["data/demo_1/actions"].id.get_chunk_info(0).byte_offset
    path.write_bytes(content[:begin] + bytes([content[begin] ^ 1]) + content[begin + 1 :])
    with pytest.raises(DemoFileError, match=r"is damaged \(/data/demo_1/actions: OSError"):
        read_seeds(path)  # though it asks for no number of that kind


def test_a_file_is_checked_again_when_it_changes(path):
    assert _is_right(path)
    os.utime(path, (1, 1))
    assert _is_right(path)  # remembered
    content = path.read_bytes()
    path.write_bytes(content.replace(b"pick up the bowl", b"pick up the bawl", 1))
    with pytest.raises(DemoFileError, match="is damaged"):
        read_demos(path)


def test_a_file_that_was_edited_with_hdf5s_own_tools_is_read_as_it_is_now(path, caplog):
    with h5py.File(path, "r+") as file:
        file["data/demo_0"].attrs["seed"] = 7
        del file["data/demo_1/obs/ee_pos"]
    assert [demo.seed for demo in read_demos(path)] == [7, 1]
    assert "task_demo.hdf5 was changed since it was written" in caplog.text
    caplog.clear()
    seal(path)
    assert [demo.seed for demo in read_demos(path)] == [7, 1]
    assert not caplog.records


def test_files_without_a_digest_are_read(path, tmp_path):
    with h5py.File(path) as file, h5py.File(tmp_path / "old_demo.hdf5", "w") as old:
        file.copy("data", old)
        for name in ("demo_0", "demo_1"):
            states = old[f"data/{name}"].pop("states")[()]
            old[f"data/{name}/states"] = states
    assert _is_right(tmp_path / "old_demo.hdf5")
    with pytest.raises(ValueError, match=r"old_demo\.hdf5 tells no digest"):
        seal(tmp_path / "old_demo.hdf5")
    concatenate([tmp_path / "old_demo.hdf5"], path)  # what is made of it has one
    assert path.read_bytes().startswith(b"rsd_jax demonstrations: sha256 ")
    assert _is_right(path)
    content = path.read_bytes()  # though HDF5 itself has no checksums of what was copied
    begin = content.index(example_demo(0).states.tobytes())
    path.write_bytes(content[:begin] + bytes([content[begin] ^ 1]) + content[begin + 1 :])
    with pytest.raises(DemoFileError, match="is damaged: it is not as it was written"):
        read_demos(path)


def test_a_file_that_hdf5_does_not_come_to_an_end_with_is_named(path, monkeypatch):
    with h5py.File(path, "r+") as file:
        file["data"].attrs["note"] = "edited"
    program = "import sys, resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass"
    hanging = path.with_name("hanging.py")
    hanging.write_text(program)
    monkeypatch.setattr(structure_check, "__file__", str(hanging))
    begun = time.monotonic()
    with pytest.raises(DemoFileError, match="reading it does not end within 10 s of computing"):
        read_demos(path)
    assert time.monotonic() - begun < 100


def test_a_shape_that_the_file_cannot_hold_is_refused(path):
    with h5py.File(path, "r+") as file:
        del file["data/demo_0/actions"]
        file["data/demo_0"].create_dataset("actions", shape=(2**40, 7), chunks=(1, 7), dtype="f4")
    seal(path)  # so that nobody reads it before
    with pytest.raises(DemoFileError, match=r"demo_0: actions: tells a shape of .* bytes cannot hold"):
        read_demos(path)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda data: data["demo_0"].attrs.create("init_state", "none"), "demo_0: content: cannot be read"),
        (
            lambda data: data["demo_0/obs/ee_states"].write_direct(np.full((3, 6), 1e300)),
            "ee_states.*: is inf",
        ),
        (lambda data: data["demo_0"].attrs.create("seed", "none"), "demo_0: content: cannot be read"),
        (
            lambda data: data["demo_0"].attrs.modify("fixture_poses", "[]"),
            "fixture_poses: attribute is a list",
        ),
        (lambda data: data.attrs.create("suite", 3), "all episodes: suite: attribute is a int64; expected text"),
        (lambda data: data.attrs.modify("task", ""), "demo_0: task: is ''"),
        (lambda data: (data.pop("demo_0"), data.update(demo_0=[1])), "demo_0: demo_0: is no group"),
        (
            lambda data: (data["demo_0"].pop("actions"), data.update({"demo_0/actions": b"x"})),
            "actions: is of the type",
        ),
        (lambda data: (data["demo_0"].pop("actions"), data["demo_0"].create_group("actions")), "actions: is a group"),
        (lambda data: (data["demo_0"].pop("actions"), data.update({"demo_0/actions": 1.0})), "demo_0: "),
        (lambda data: [data.pop(name) for name in ("demo_0", "demo_1")], "all episodes: data: holds no demonstration"),
    ],
)
def test_odd_content_is_named_and_no_error_of_h5pys(path, edit, message):
    with h5py.File(path, "r+") as file:
        edit(file["data"])
    seal(path)
    with pytest.raises(DemoFileError, match=message):
        read_demos(path)


def test_a_locked_file_is_called_locked(path, monkeypatch):
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        for read in (read_demos, read_seeds, lacks_frames, Hdf5Demos.open):
            with pytest.raises(DemoFileError, match=r"is locked by another process .* HDF5_USE_FILE_LOCKING=FALSE"):
                read(path)
        with path.open("rb") as mine:
            assert is_locked(mine)
            monkeypatch.setenv("HDF5_USE_FILE_LOCKING", "FALSE")  # which HDF5 itself reads once, when it is loaded
            assert not is_locked(mine)
    monkeypatch.delenv("HDF5_USE_FILE_LOCKING")
    assert _is_right(path)


def test_an_unclosed_file_is_called_unclosed(path, tmp_path):
    with h5py.File(path, "r+") as file:
        file["data"].attrs["note"] = "being written"
        file.flush()
        unclosed = path.with_name("unclosed_demo.hdf5")
        unclosed.write_bytes(path.read_bytes())  # as a killed writer leaves it
    with pytest.raises(DemoFileError, match=r"was not closed by the process that wrote it\. .* h5clear -s FILE"):
        read_demos(unclosed)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"is empty \(0 bytes\): its writer or its download did not get further; get it again"),
        (b"<!DOCTYPE html>", r"is no HDF5 file: it begins with b'<!DOCTYPE html>'; name another"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "is a pointer of Git LFS, not the file itself: git lfs",
        ),
    ],
)
def test_what_is_no_hdf5_is_called_what_it_is(tmp_path, content, message):
    (tmp_path / "a_demo.hdf5").write_bytes(content)
    with pytest.raises(DemoFileError, match=message) as raised:
        read_demos(tmp_path / "a_demo.hdf5")
    assert "delete" not in str(raised.value)


def test_a_folder_and_a_file_of_others_are_called_what_they_are(tmp_path, monkeypatch, path):
    with pytest.raises(DemoFileError, match="is a folder; name the file in it"):
        read_demos(tmp_path)

    def refuse(*_arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(DemoFileError, match=r"may not be read by you \(Permission denied\): chmod u\+r FILE"):
        read_demos(path)


def test_a_damaged_file_in_a_folder_leaves_the_others_readable(path):
    (path.parent / "broken_demo.hdf5").write_bytes(b"")
    dataset = Hdf5Demos.open(path.parent)
    assert len(dataset) == 3
    with pytest.raises(DemoFileError, match=r"broken_demo.hdf5: all episodes: file: is empty"):
        dataset[0]
    assert dataset[1].seed == 0
    with pytest.raises(DemoFileError, match="is empty"):
        Hdf5Demos.open(path.parent / "broken_demo.hdf5")


def test_a_folder_that_cannot_be_listed_is_not_taken_for_an_empty_one(path, monkeypatch):
    def refuse(_):
        raise PermissionError(13, "Permission denied", str(path.parent))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError, match="Permission denied"):
        Hdf5Demos.open(path.parent)


def test_numbers_stay_bit_for_bit(path):
    for seed, demo in enumerate(read_demos(path)):
        np.testing.assert_array_equal(demo.states, example_demo(seed).states, strict=True)

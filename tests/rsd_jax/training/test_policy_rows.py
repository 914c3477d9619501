"""The policy's rows, kept in files."""

import tracemalloc

import numpy as np
import pytest

from rsd_jax.backbones.instruction import encode_instruction
from rsd_jax.training import policy_rows as policy_rows_module
from rsd_jax.training.demonstrations import action_rows, frames, load_split
from rsd_jax.training.policy_rows import policy_rows, stored_policy_rows


@pytest.fixture
def run_dir(preflight_run, tmp_path):
    (tmp_path / "demos").symlink_to(preflight_run / "demos")
    return tmp_path


def test_rows_are_those_of_the_episodes_and_are_made_once(run_dir, monkeypatch):
    stored = stored_policy_rows(run_dir, 2, 8, encode_instruction)
    for found, demos in zip(stored[:2], load_split(run_dir, 2), strict=True):
        rows = policy_rows(demos, 8, encode_instruction)
        assert list(found) == list(rows)
        for name, array in rows.items():
            assert isinstance(found[name], np.memmap)
            np.testing.assert_array_equal(found[name], array, strict=True)
    monkeypatch.setattr(policy_rows_module, "split_file", None)
    stored_policy_rows(run_dir, 2, 8, encode_instruction)


def test_several_tasks_are_read_by_several_processes_in_the_order_of_their_names(run_dir, preflight_run):
    (file,) = (preflight_run / "demos").glob("*/*_demo.hdf5")
    (run_dir / "demos").unlink()
    folder = run_dir / "demos" / file.parent.name
    folder.mkdir(parents=True)
    for name in ("a", "b"):
        (folder / f"{name}_demo.hdf5").symlink_to(file)
    (run_dir / "one").mkdir()
    (run_dir / "one" / "demos").symlink_to(preflight_run / "demos")
    once, twice = (
        stored_policy_rows(run_dir / "one", 2, 8, encode_instruction).train,
        stored_policy_rows(run_dir, 2, 8, encode_instruction).train,
    )
    for name, array in once.items():
        np.testing.assert_array_equal(twice[name], np.concatenate([array, array]))
    assert [path.name for path in (run_dir / "rows").iterdir() if path.is_dir() and "part" in path.name] == []


def test_other_demonstrations_or_another_split_make_other_files(run_dir, preflight_run):
    stored_policy_rows(run_dir, 2, 8, encode_instruction)
    stored_policy_rows(run_dir, 3, 8, encode_instruction)
    assert len(list((run_dir / "rows").glob("policy-*"))) == 2
    (run_dir / "demos").unlink()
    (file,) = (preflight_run / "demos").glob("*/*_demo.hdf5")
    (run_dir / "demos" / file.parent.name).mkdir(parents=True)
    # The same episodes under another task's name are another data set.
    (run_dir / "demos" / file.parent.name / "other_demo.hdf5").symlink_to(file)
    stored_policy_rows(run_dir, 2, 8, encode_instruction)
    assert len(list((run_dir / "rows").glob("policy-*"))) == 3


def test_words_that_are_encoded_otherwise_make_other_files(run_dir):
    before = stored_policy_rows(run_dir, 2, 8, encode_instruction)
    after = stored_policy_rows(run_dir, 2, 8, lambda text: encode_instruction(text) + 1)
    np.testing.assert_array_equal(after.train["instruction_ids"], before.train["instruction_ids"] + 1)


def test_rows_are_gathered_from_episodes_with_no_second_copy(preflight_run):
    demos = load_split(preflight_run, every=2).train * 4
    for gather in (frames, lambda demos: action_rows(demos, 8).actions):
        tracemalloc.start()
        gathered = gather(demos)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 1.5 * gathered.nbytes

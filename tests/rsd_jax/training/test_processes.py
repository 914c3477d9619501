"""The same training on 1 process with 2 devices, and on 2 processes with 1 device each."""

import json

import numpy as np
import pytest

from rsd_jax.checkpoints import load_stage
from rsd_jax.checkpoints.params_hash import hash_params
from tests.rsd_jax.training.row_sources.all_sources import PLACES
from tests.rsd_jax.training.run_fingerprint import fingerprint, saved_arrays
from tests.rsd_jax.training.run_processes import TWO_DEVICES, free_port, outputs_of, start

TOY = "tests.rsd_jax.training.run_toy_stage"


@pytest.fixture(scope="module")
def one_process(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one_process")
    note_outputs(folder, start(TOY, str(folder), **TWO_DEVICES))
    return folder


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two_processes")
    run = {"RSD_COORDINATOR": f"localhost:{free_port()}", "RSD_NUM_PROCESSES": "2"}
    note_outputs(folder, *(start(TOY, str(folder), **run, RSD_PROCESS_ID=str(index)) for index in range(2)))
    return folder


def note_outputs(folder, *processes):
    """What each of them printed, in ``FOLDER/printed.json``."""
    (folder / "printed.json").write_text(json.dumps(outputs_of(*processes)))


@pytest.mark.parametrize("layout", ["one_process", "two_processes"])
def test_resumed_equals_straight_to_the_last_bit(layout, request):
    folder = request.getfixturevalue(layout)
    assert fingerprint(folder / "resumed" / "toy") == fingerprint(folder / "straight" / "toy")


@pytest.mark.parametrize("layout", ["one_process", "two_processes"])
def test_parameters_are_hashed_whole_wherever_their_parts_lay(layout, request):
    stage = load_stage(request.getfixturevalue(layout) / "straight", "toy")
    assert stage.saved_hash == hash_params(stage.variables["params"])


@pytest.mark.parametrize(("layout", "processes"), [("one_process", 1), ("two_processes", 2)])
def test_every_source_of_rows_gives_every_process_the_rows_that_the_order_names(layout, processes, request):
    printed = json.loads((request.getfixturevalue(layout) / "printed.json").read_text())
    assert [output.count("identical:") for output in printed] == processes * [len(PLACES)]


def test_both_layouts_see_the_same_batches_in_the_same_order(one_process, two_processes):
    one, two = (np.load(folder / "batches.npy") for folder in (one_process, two_processes))
    assert one.shape == (20, 8, 4)
    np.testing.assert_array_equal(one, two)


def test_both_layouts_reach_the_same_variables(one_process, two_processes):
    one, two = (saved_arrays(folder / "straight" / "toy") for folder in (one_process, two_processes))
    assert one.keys() == two.keys()
    trained = [name for name in one if "variables" in name or "raw_params" in name]
    assert trained
    for name in trained:
        difference = np.linalg.norm(one[name] - two[name])
        assert difference <= 1e-6 * np.linalg.norm(one[name]), name


def test_a_folder_in_use_stops_all_processes(one_process, two_processes):
    for folder in (one_process, two_processes):
        in_use, _ = json.loads((folder / "errors_0.json").read_text())
        assert in_use.startswith(f"InUseError: {folder}/taken/toy is in use by process ")
        assert "run_toy_stage" in in_use
        assert not (folder / "taken" / "toy").exists()
    in_use, _ = json.loads((two_processes / "errors_1.json").read_text())
    assert in_use.startswith(f"OtherProcessFailed: taking {two_processes}/taken/toy failed in process 0")


def test_a_full_disk_of_one_process_stops_all_and_leaves_nothing_half_written(one_process, two_processes):
    for folder, index in ((one_process, 0), (two_processes, 0), (two_processes, 1)):
        _, full = json.loads((folder / f"errors_{index}.json").read_text())
        assert full.startswith(f"CheckpointWriteError: cannot write checkpoint {folder}/full/toy/latest/00000005: ")
        cause = "failed in process 1" if (folder, index) == (two_processes, 0) else "File too large"
        assert cause in full
        assert list((folder / "full" / "toy" / "latest").iterdir()) == []

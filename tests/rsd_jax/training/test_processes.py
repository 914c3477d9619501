"""The same training on 1 process with 2 devices, and on 2 processes with 1 device each."""

import numpy as np
import pytest

from tests.rsd_jax.training.run_fingerprint import fingerprint, saved_arrays
from tests.rsd_jax.training.run_processes import TWO_DEVICES, free_port, outputs_of, start

TOY = "tests.rsd_jax.training.run_toy_stage"


@pytest.fixture(scope="module")
def one_process(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one_process")
    outputs_of(start(TOY, str(folder), **TWO_DEVICES))
    return folder


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two_processes")
    run = {"RSD_COORDINATOR": f"localhost:{free_port()}", "RSD_NUM_PROCESSES": "2"}
    outputs_of(*(start(TOY, str(folder), **run, RSD_PROCESS_ID=str(index)) for index in range(2)))
    return folder


@pytest.mark.parametrize("layout", ["one_process", "two_processes"])
def test_resumed_equals_straight_to_the_last_bit(layout, request):
    folder = request.getfixturevalue(layout)
    assert fingerprint(folder / "resumed" / "toy") == fingerprint(folder / "straight" / "toy")


def test_both_layouts_see_the_same_batches_in_the_same_order(one_process, two_processes):
    one, two = (np.load(folder / "batches.npy") for folder in (one_process, two_processes))
    assert one.shape == (20, 8, 4)
    np.testing.assert_array_equal(one, two)


def test_both_layouts_reach_the_same_variables(one_process, two_processes):
    one, two = (saved_arrays(folder / "straight" / "toy") for folder in (one_process, two_processes))
    assert one.keys() == two.keys()
    for name in one:
        if "variables" in name or "raw_params" in name:
            difference = np.linalg.norm(one[name] - two[name])
            assert difference <= 1e-6 * np.linalg.norm(one[name]), name

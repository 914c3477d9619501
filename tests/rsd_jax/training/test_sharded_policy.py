"""A policy split over four devices is nowhere whole, and computes what a whole one does."""

import json

import pytest

from tests.rsd_jax.training.row_sources.all_sources import PLACES
from tests.rsd_jax.training.run_processes import FOUR_DEVICES, outputs_of, start


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sharded_policy")
    (output,) = outputs_of(start("tests.rsd_jax.training.run_sharded_policy", str(folder), **FOUR_DEVICES))
    return output.splitlines()


@pytest.fixture(scope="module")
def seen(printed):
    return json.loads(printed[-1])


def test_every_source_of_rows_gives_four_devices_the_rows_that_the_order_names(printed):
    assert len([line for line in printed if line.startswith("identical:")]) == 2 * len(PLACES)


def test_heldout_evaluation_leaves_every_parameter_where_it_is(seen):
    assert seen["elsewhere_in_evaluation"] == []
    assert seen["whole_in_evaluation"] == []


def test_what_training_returns_lies_where_its_state_lay(seen):
    assert seen["elsewhere_in_result"] == []


def test_loading_onto_a_mesh_splits_and_otherwise_takes_one_device(seen):
    assert seen["elsewhere_loaded"] == []
    assert seen["whole_loaded"] == []
    assert seen["devices_of_whole"] == 1


def test_split_and_whole_compute_the_same(seen):
    assert seen["split"].keys() == seen["whole"].keys()
    for name, value in seen["whole"].items():
        assert seen["split"][name] == pytest.approx(value, rel=1e-5), name
    assert seen["largest_difference_of_features"] < 1e-4


def test_the_hash_is_that_of_the_saved_parameters_however_they_lie(seen):
    assert seen["split_hash"] == seen["hash_of_split"] == seen["hash_of_whole"]

"""OpenVLA fine-tuned on four devices is nowhere whole, and learns what it learns on one."""

import json

import pytest

from tests.rsd_jax.training.run_processes import FOUR_DEVICES, outputs_of, start


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sharded_finetune")
    (output,) = outputs_of(start("tests.rsd_jax.training.run_sharded_finetune", str(folder), **FOUR_DEVICES))
    return json.loads(output.splitlines()[-1])


@pytest.mark.parametrize("way", ["lora", "full"])
def test_losses_are_those_of_one_device(seen, way):
    one, four = (seen[way][name]["losses"] for name in ("one", "four"))
    assert one[1] != one[0]
    assert four == pytest.approx(one, rel=1e-4)


@pytest.mark.parametrize("way", ["lora", "full"])
def test_no_device_holds_a_matrix_whole(seen, way):
    """Parameters, moments and what is frozen, before the first step and after the last."""
    assert seen[way]["four"]["whole"] == seen[way]["four"]["whole_behind"] == []
    assert len(seen[way]["one"]["whole"]) > 20


@pytest.mark.parametrize("way", ["lora", "full"])
def test_a_device_computes_its_own_rows_alone(seen, way):
    """Of four rows two: the others lie on the devices of the other part of the batch."""
    assert seen[way]["one"]["rows_of_products"] == [4]
    assert seen[way]["four"]["rows_of_products"] == [2]

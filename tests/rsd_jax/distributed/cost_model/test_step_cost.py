from dataclasses import replace

import pytest

from rsd_jax.distributed.cost_model.step_cost import Rates, between_hosts_bytes, device_bytes, step_seconds
from rsd_jax.distributed.cost_model.training_cost import Parameters
from rsd_jax.distributed.mesh import MeshConfig
from tests.rsd_jax.distributed.cost_model.example_costs import COST, MACHINE

RATES = Rates(constant=0.5, matrix_rate=1e10, network_share=1.0)


def seconds(mesh, rows=8, cost=COST):
    return step_seconds(cost, mesh, rows, MACHINE, RATES)


def test_one_device_computes_updates_and_has_a_constant():
    """8 rows of 1 GFLOP at 10 GFLOP/s; 5 numbers of 4 bytes of a million parameters, read and written at 1 TB/s."""
    found = seconds(MeshConfig(1, 1, 1))
    assert found == pytest.approx((0.5, 40e-6, 0.8, 0.0, 0.0, 0.0))
    assert found.nothing_hidden == pytest.approx(1.30004)
    assert found.longest == "compute"


def test_the_data_axis_adds_up_float32_gradients():
    assert seconds(MeshConfig(4, 1, 1)).data == pytest.approx(2 * 3 / 4 * 4e-3)


def test_the_fsdp_axis_collects_twice_in_the_computed_type_and_divides_float32_gradients():
    found = seconds(MeshConfig(1, 4, 1))
    assert found.fsdp == pytest.approx(3 / 4 * (2 * 2e-3 + 4e-3))
    assert (found.data, found.update) == (0, pytest.approx(10e-6))


def test_gradients_of_parameters_that_stay_whole_are_added_up_over_fsdp_too():
    cost = replace(COST, parameters=Parameters(whole=10**6, by_fsdp=0, by_tensor=0, by_both=0))
    assert seconds(MeshConfig(1, 4, 1), cost=cost).fsdp == pytest.approx(2 * 3 / 4 * 4e-3)


def test_data_and_fsdp_divide_the_gradients_between_them():
    """Of half the gradients 2 MB, added up over the 2 devices of the data axis."""
    assert seconds(MeshConfig(2, 2, 1)).data == pytest.approx(2 * 1 / 2 * 2e-3)


def test_the_tensor_axis_divides_products_and_adds_up_four_activations_a_block():
    """8 rows x 10 tokens x 100 features x 2 bytes, 4 times in each of 2 blocks, over 2 devices."""
    found = seconds(MeshConfig(1, 1, 2))
    assert found.compute == pytest.approx(0.4)
    assert found.tensor == pytest.approx(8 * 2 * 1 / 2 * 16e-6)


def test_what_can_be_hidden_is_hidden_behind_computing():
    found = seconds(MeshConfig(4, 1, 1))._replace(compute=3e-3, tensor=1e-3)
    assert found.all_hidden == pytest.approx(0.5 + 40e-6 + 1e-3 + found.data)
    assert found._replace(compute=1.0).all_hidden == pytest.approx(0.5 + 40e-6 + 1e-3 + 1.0)
    assert found.nothing_hidden == pytest.approx(0.5 + 40e-6 + 3e-3 + 1e-3 + found.data)


def test_memory_is_state_and_a_copy_to_compute_with_and_activations():
    assert device_bytes(COST, MeshConfig(1, 1, 1), 1) == pytest.approx(20e6 + 2e6 + 34e6)
    # Data splits nothing of it; fsdp the state alone; tensor also 24 of 34 parts of the activations.
    assert device_bytes(COST, MeshConfig(4, 1, 1), 1) == pytest.approx(20e6 + 2e6 + 34e6)
    assert device_bytes(COST, MeshConfig(1, 4, 1), 1) == pytest.approx(5e6 + 2e6 + 34e6)
    assert device_bytes(COST, MeshConfig(1, 1, 4), 1) == pytest.approx(5e6 + 0.5e6 + 16e6)


def test_bytes_between_hosts_are_those_of_the_part_of_a_device():
    """Hosts of 4: 8 devices are 2 hosts, and a device exchanges a quarter of 4 MB of gradients."""
    assert between_hosts_bytes(COST, MeshConfig(4, 1, 1), 8, MACHINE) == 0
    assert between_hosts_bytes(COST, MeshConfig(8, 1, 1), 8, MACHINE) == pytest.approx(2 * 1 / 2 * 1e6)

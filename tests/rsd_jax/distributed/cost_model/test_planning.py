from dataclasses import replace

import pytest

from rsd_jax.distributed.cost_model.planning import (
    BATCH_SIZE,
    MEMORY,
    Bounds,
    NoPlan,
    last_useful_doubling,
    meshes_of,
    most_rows,
    plan,
    rows_for_efficiency,
)
from rsd_jax.distributed.cost_model.step_cost import Rates
from rsd_jax.distributed.mesh import MeshConfig
from tests.rsd_jax.distributed.cost_model.example_costs import COST, MACHINE

SAME = Rates(constant=0.0, matrix_rate=1e12, network_share=1.0)
BY_DATA = replace(COST, compute_bytes=4, most_tensor=1)
"""Collecting parameters in float32 takes the fsdp axis half as long again as all-reduces of gradients."""

BOUNDS = Bounds(SAME._replace(network_share=0.5), SAME)
"""A row takes 1 ms."""


def test_meshes_divide_widths_and_heads_evenly():
    found = {(mesh.data, mesh.fsdp, mesh.tensor) for mesh in meshes_of(6, replace(COST, most_fsdp=4, most_tensor=3))}
    assert found == {(6, 1, 1), (3, 2, 1), (2, 1, 3), (1, 2, 3)}


def test_where_everything_has_room_the_data_axis_takes_the_devices():
    found = plan(BY_DATA, MACHINE, BOUNDS, devices=4, rows=64)
    assert found.mesh == MeshConfig(4, 1, 1)
    # 16 rows, 12 ms of network with nothing hidden, all of it hidden behind computing.
    assert found.least == pytest.approx(64 / (16e-3 + 12e-3 + 40e-6))
    assert found.most == pytest.approx(64 / (16e-3 + 40e-6))


def test_what_has_no_room_is_split():
    small = replace(MACHINE, memory_bytes=45e6)  # of 56 MB for a row
    assert plan(COST, small, BOUNDS, devices=1, rows=1) == NoPlan(MEMORY)
    assert plan(COST, small, BOUNDS, devices=4, rows=4).mesh == MeshConfig(1, 4, 1)


def test_a_batch_below_the_devices_leaves_them_to_the_tensor_axis_as_far_as_it_goes():
    assert plan(COST, MACHINE, BOUNDS, devices=8, rows=2).mesh.tensor == 4
    assert plan(COST, MACHINE, BOUNDS, devices=16, rows=2) == NoPlan(BATCH_SIZE)


def test_rows_of_a_device_halve_until_some_mesh_has_room():
    assert most_rows(COST, MACHINE, devices=1, wanted=16) == 16
    assert most_rows(COST, MACHINE, devices=1, wanted=100) == 16  # 22 MB and 34 MB a row, of 1 GB
    assert most_rows(COST, replace(MACHINE, memory_bytes=20e6), devices=1, wanted=16) == 0


def test_doubling_helps_as_long_as_computing_is_longer_than_the_rest():
    """A constant of 8 ms beside 8 rows of 1 ms: 16, 12 and 10 ms on 1, 2 and 4 devices, without a network."""
    rates = Rates(constant=8e-3, matrix_rate=1e12, network_share=1e9)
    assert last_useful_doubling(COST, MACHINE, Bounds(rates, rates), rows=8) == 2
    assert last_useful_doubling(COST, replace(MACHINE, memory_bytes=1e6), Bounds(rates, rates), rows=8) == 0


def test_half_the_efficiency_needs_as_long_computing_as_waiting():
    """8 ms of network with nothing hidden, on 2 devices: 8 rows each of 1 ms, and a little for the update."""
    assert rows_for_efficiency(BY_DATA, MACHINE, BOUNDS, devices=2, alone=(1000.0, 1000.0)) == (32, 8)
    assert rows_for_efficiency(BY_DATA, MACHINE, BOUNDS, devices=2, alone=(1e6, 1e6)) == (None, None)


def test_impossible_requests_are_refused():
    with pytest.raises(ValueError, match="devices is 0; it must be at least 1"):
        plan(COST, MACHINE, BOUNDS, devices=0, rows=8)
    with pytest.raises(ValueError, match="rows is 0; a step needs at least 1"):
        plan(COST, MACHINE, BOUNDS, devices=1, rows=0)
    with pytest.raises(ValueError, match="memory_bytes is 0; it must be positive"):
        replace(MACHINE, memory_bytes=0)
    with pytest.raises(ValueError, match=r"between is .*; bytes a second must be positive"):
        replace(MACHINE, between=MACHINE.between._replace(bytes_per_second=0))
    with pytest.raises(ValueError, match="flops_per_row is 0; it must be positive"):
        replace(COST, flops_per_row=0)

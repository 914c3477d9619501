import pytest

from rsd_jax.distributed.cost_model.collectives import Group, all_reduce_seconds, group_of, one_way_seconds
from tests.rsd_jax.distributed.cost_model.example_costs import MACHINE, WITH_LATENCY


def test_devices_of_an_axis_lie_in_as_few_hosts_as_the_axes_inside_of_it_leave():
    assert group_of(4, 1, 8) == Group(4, 1)
    assert group_of(16, 1, 8) == Group(8, 2)
    assert group_of(4, 4, 8) == Group(2, 2)
    assert group_of(4, 8, 8) == group_of(4, 16, 8) == Group(1, 4)
    assert group_of(6, 2, 8) == Group(2, 3)


def test_one_device_sends_nothing():
    assert all_reduce_seconds(1e9, Group(1, 1), WITH_LATENCY) == 0


def test_an_all_reduce_in_a_host_sends_twice_all_but_one_part():
    """4 MB over 4 devices at 1 GB/s: 2 x 3/4 x 4 ms."""
    assert all_reduce_seconds(4e6, Group(4, 1), MACHINE) == pytest.approx(6e-3)
    assert all_reduce_seconds(4e6, Group(4, 1), MACHINE, share=0.5) == pytest.approx(12e-3)


def test_between_hosts_each_device_sends_its_part_alone():
    """4 MB over 2 hosts of 4: 3 ms inside, then half of 1 MB at 100 MB/s, 5 ms."""
    assert one_way_seconds(4e6, Group(4, 2), MACHINE) == pytest.approx(8e-3)


def test_every_message_waits_for_its_latencies():
    """3 steps of 1 ms around the host, and 3 levels of 10 ms of the tree over 8 hosts."""
    waited = one_way_seconds(0.0, Group(4, 8), WITH_LATENCY, messages=5)
    assert waited == pytest.approx(5 * (3e-3 + 30e-3))

"""How long devices of one mesh axis take to add up or collect arrays: bandwidth and latency, inside hosts and between.

Each of n devices sends (n - 1) / n of an array that is added up and divided, or collected; an all-reduce does both,
and no algorithm sends less (Patarasuk and Yuan 2009, "Bandwidth optimal all-reduce algorithms for clusters of
workstations"). Where an axis reaches over hosts, each host first works within itself, and its devices then each
exchange their part with the same device of other hosts.
"""

import math
from typing import NamedTuple

from rsd_jax.distributed.cost_model.machine import Machine


class Group(NamedTuple):
    """Devices of an axis that work together: how many in each host, and in how many hosts."""

    per_host: int
    hosts: int


def group_of(size: int, stride: int, devices_per_host: int) -> Group:
    """Where the devices of an axis lie.

    Args:
        size: of the axis.
        stride: devices from one to the next, the product of the axes inside of it: `make_mesh` arranges tensor
            innermost, then fsdp, then data.
        devices_per_host: of a host.
    """
    per_host = math.gcd(size, max(1, devices_per_host // stride))
    return Group(per_host, size // per_host)


def one_way_seconds(size: float, group: Group, machine: Machine, share: float = 1.0, messages: int = 1) -> float:
    """Seconds of an all-gather or a reduce-scatter.

    Args:
        size: bytes of the whole array, or of all arrays that go one after the other.
        group: of the devices.
        machine: with its links.
        share: of the links' rate that is reached.
        messages: arrays that go one after the other, each of which waits for the latencies: of a ring inside the host,
            of a tree between hosts.
    """
    inside, between = machine.inside, machine.between
    per_host, hosts = group
    moved = size * (per_host - 1) / per_host / (inside.bytes_per_second * share)
    moved += size / per_host * (hosts - 1) / hosts / (between.bytes_per_second * share)
    waited = (per_host - 1) * inside.latency + math.ceil(math.log2(hosts)) * between.latency
    return moved + messages * waited


def all_reduce_seconds(size: float, group: Group, machine: Machine, share: float = 1.0, messages: int = 1) -> float:
    """Seconds of an all-reduce: a reduce-scatter and an all-gather, 2 (n - 1) / n of the array; `one_way_seconds`."""
    return 2 * one_way_seconds(size, group, machine, share, messages)

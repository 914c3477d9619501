"""The best mesh for so many devices, and how far more of them help."""

from collections.abc import Iterator
from typing import NamedTuple

from rsd_jax.distributed.cost_model.machine import Machine
from rsd_jax.distributed.cost_model.step_cost import Rates, StepSeconds, device_bytes, step_seconds
from rsd_jax.distributed.cost_model.training_cost import TrainingCost
from rsd_jax.distributed.mesh import MeshConfig

BATCH_SIZE, MEMORY = "batch size", "memory"
"""Why there is no mesh: no axis can take the devices that the batch leaves, or no mesh has room."""


class Bounds(NamedTuple):
    """What is reached at least and at most."""

    least: Rates
    most: Rates


class Plan(NamedTuple):
    """A training on so many devices.

    Attributes:
        mesh: the best one.
        rows: of a step, on all devices. bytes: of a device.
        least, most: samples a second, with nothing of the network hidden and with all of it.
        seconds: of a step with nothing hidden, by part.
    """

    mesh: MeshConfig
    rows: int
    bytes: float
    least: float
    most: float
    seconds: StepSeconds


class NoPlan(NamedTuple):
    """Why so many devices have no mesh: `BATCH_SIZE` or `MEMORY`."""

    reason: str


def meshes_of(devices: int, cost: TrainingCost) -> Iterator[MeshConfig]:
    """All meshes of so many devices that divide the network evenly.

    Raises:
        ValueError: there is no such number of devices.
    """
    if devices < 1:
        raise ValueError(f"devices is {devices}; it must be at least 1")
    for tensor in _divisors(devices):
        for fsdp in _divisors(devices // tensor):
            if cost.most_tensor % tensor == 0 and cost.most_fsdp % fsdp == 0:
                yield MeshConfig(devices // tensor // fsdp, fsdp, tensor)


def plan(cost: TrainingCost, machine: Machine, bounds: Bounds, devices: int, rows: int) -> Plan | NoPlan:
    """The mesh with the most samples a second when nothing is hidden; of equals the one with the fewest parts.

    Args:
        cost: of the training.
        machine: with its links and its memory.
        bounds: what is reached.
        devices: how many, all of which are used.
        rows: of a step, on all devices; the data and fsdp axes must divide them evenly (`open_rows`).

    Raises:
        ValueError: there is no such number of devices or rows.
    """
    if rows < 1:
        raise ValueError(f"rows is {rows}; a step needs at least 1")
    even = [mesh for mesh in meshes_of(devices, cost) if rows % (mesh.data * mesh.fsdp) == 0]
    fitting = [mesh for mesh in even if device_bytes(cost, mesh, _own(rows, mesh)) <= machine.usable_bytes]
    if not fitting:
        return NoPlan(MEMORY if even else BATCH_SIZE)
    plans = [_plan(cost, machine, bounds, mesh, rows) for mesh in fitting]
    return max(plans, key=lambda each: (each.least, -each.mesh.fsdp * each.mesh.tensor))


def most_rows(cost: TrainingCost, machine: Machine, devices: int, wanted: int) -> int:
    """Rows of a device for which some mesh has room: the largest power of two up to `wanted`, or 0."""
    rows = 1 << max(wanted, 1).bit_length() - 1
    while rows and not any(
        device_bytes(cost, mesh, rows * mesh.tensor) <= machine.usable_bytes for mesh in meshes_of(devices, cost)
    ):
        rows //= 2
    return rows


def last_useful_doubling(cost: TrainingCost, machine: Machine, bounds: Bounds, rows: int, gain: float = 1.25) -> int:
    """Devices, a power of two, from which twice as many bring less than `gain` times the samples a second.

    With nothing hidden, at `rows` a step however many devices there are; 0 where the training fits none.
    """
    devices, last = 1, 0
    while devices <= 2 * rows:
        now, twice = (plan(cost, machine, bounds, number, rows) for number in (devices, 2 * devices))
        if isinstance(now, Plan):
            last = devices
            if not isinstance(twice, Plan) or twice.least < gain * now.least:
                return devices
        devices *= 2
    return last


def rows_for_efficiency(
    cost: TrainingCost,
    machine: Machine,
    bounds: Bounds,
    devices: int,
    alone: tuple[float, float],
    efficiency: float = 0.5,
) -> tuple[int | None, int | None]:
    """Rows a step, a power of two a device, that keep all devices at a share of the speed of one.

    With nothing hidden and with all hidden; None where no number of rows that fits does.

    Args:
        cost, machine, bounds, devices: see `plan`.
        alone: samples a second of one device, likewise at least and at most.
        efficiency: the share.
    """
    found: list[int | None] = [None, None]
    rows = devices
    while isinstance(best := plan(cost, machine, bounds, devices, rows), Plan):
        for place, (reached, one) in enumerate(zip((best.least, best.most), alone, strict=True)):
            if found[place] is None and reached >= efficiency * devices * one:
                found[place] = rows
        if None not in found:
            break
        rows *= 2
    return found[0], found[1]


def _plan(cost: TrainingCost, machine: Machine, bounds: Bounds, mesh: MeshConfig, rows: int) -> Plan:
    own = _own(rows, mesh)
    slow = step_seconds(cost, mesh, own, machine, bounds.least)
    fast = step_seconds(cost, mesh, own, machine, bounds.most)
    memory = device_bytes(cost, mesh, own)
    return Plan(mesh, rows, memory, rows / slow.nothing_hidden, rows / fast.all_hidden, slow)


def _own(rows: int, mesh: MeshConfig) -> int:
    return rows // (mesh.data * mesh.fsdp)


def _divisors(number: int) -> list[int]:
    return [part for part in range(1, number + 1) if number % part == 0]

"""What many devices would do, as ``results/scaling_plan.json`` holds it."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from eval_bridge.runs.scaling.trainings import POLICY, Training
from rsd_jax.distributed.cost_model.fit import ASSUMED, Fit, MeasuredStep, fit_rates
from rsd_jax.distributed.cost_model.machine import H200, Machine
from rsd_jax.distributed.cost_model.planning import (
    Bounds,
    NoPlan,
    Plan,
    last_useful_doubling,
    most_rows,
    plan,
    rows_for_efficiency,
)
from rsd_jax.distributed.cost_model.step_cost import Rates, between_hosts_bytes, step_seconds
from rsd_jax.distributed.mesh import MeshConfig

MEMORIES = (80e9, 141e9)
"""Of the devices that are planned for, ascending; the speeds are those of the larger ones."""

LARGE_MATRICES_SHARE = 0.5
"""Of the matrix rate that large networks may reach, assumed; 0.52 in Narayanan et al. 2021, arXiv 2104.04473."""

DISK_BYTES_PER_SECOND = 6.6e9
"""That a host read of rows in files, 67,135 rows of 98,696 bytes (results/speed_nvidia_h100_80gb_hbm3.json)."""


def plan_record(
    trainings: Sequence[Training], measured: Sequence[MeasuredStep], devices: Sequence[int], between_hosts: float
) -> dict[str, Any]:
    """Plans of all trainings on every power of two of devices up to the largest number, and on the others given.

    Args:
        trainings: the first one is the one that was measured.
        measured: its steps.
        devices: numbers of them that a table shows.
        between_hosts: bytes a second that each device sends to other hosts.

    Raises:
        ValueError: numbers that are none, or measured steps that cannot be fitted.
    """
    if not devices or min(devices) < 1:
        raise ValueError(f"devices is {list(devices)}; there must be numbers, each at least 1")
    if not between_hosts > 0:
        raise ValueError(f"between_hosts is {between_hosts:g}; it must be positive, in bytes a second")
    if trainings[0].name != POLICY:
        raise ValueError(f"trainings[0] is {trainings[0].name!r}; it must be {POLICY!r}, which was measured")
    machine = replace(H200, between=H200.between._replace(bytes_per_second=between_hosts))
    fit = fit_rates(measured, trainings[0].cost, machine)
    curve = sorted({*devices, *(1 << power for power in range(max(devices).bit_length()))})
    return {
        "machine": asdict(machine),
        "devices": list(devices),
        "measured": [step._asdict() for step in measured],
        "fit": {**fit._asdict(), "rates": fit.rates._asdict(), "assumed_rates": ASSUMED._asdict()},
        "disk_bytes_per_second": DISK_BYTES_PER_SECOND,
        "trainings": {
            training.name: _training(training, machine, bounds_of(training, fit, machine), curve)
            for training in trainings
        },
    }


def bounds_of(training: Training, fit: Fit, machine: Machine) -> Bounds:
    """What is reached at least and at most: of the training that was measured only the network is in doubt."""
    if training.name == POLICY:
        return Bounds(fit.rates, fit.rates._replace(network_share=1.0))
    rate = max(fit.rates.matrix_rate, LARGE_MATRICES_SHARE * machine.matrix_rate)
    return Bounds(fit.rates, Rates(constant=0.0, matrix_rate=rate, network_share=1.0))


def alone_of(training: Training, machine: Machine, bounds: Bounds) -> tuple[float, float]:
    """Samples a second of one device that had room for everything, at least and at most."""
    one = MeshConfig(data=1, fsdp=1, tensor=1)
    least, most = (step_seconds(training.cost, one, training.rows, machine, rates) for rates in bounds)
    return training.rows / least.nothing_hidden, training.rows / most.all_hidden


def _training(training: Training, machine: Machine, bounds: Bounds, curve: Sequence[int]) -> dict[str, Any]:
    cost = training.cost
    of_memory = {f"{memory / 1e9:g}": replace(machine, memory_bytes=memory) for memory in MEMORIES}
    grown = {
        name: {str(devices): _grown(training, own, bounds, devices) for devices in curve}
        for name, own in of_memory.items()
    }
    kept = {
        name: {str(devices): _kept(training, own, bounds, devices) for devices in curve}
        for name, own in of_memory.items()
    }
    fewest = {
        name: next((devices for devices in curve if "least" in plans[str(devices)]), None)
        for name, plans in grown.items()
    }
    largest = list(of_memory.values())[-1]
    alone = alone_of(training, machine, bounds)
    return {
        "cost": asdict(cost),
        "batch": training.batch,
        "rows_a_device": training.rows,
        "bounds": {name: rates._asdict() for name, rates in bounds._asdict().items()},
        "alone": list(alone),
        "kept_batch": kept,
        "grown_batch": grown,
        "breaks": {
            "last_useful_doubling": {
                str(rows): last_useful_doubling(cost, largest, bounds, rows)
                for rows in (training.batch, 2 * training.batch)
            },
            "rows_for_half": {
                str(devices): list(rows_for_efficiency(cost, largest, bounds, devices, alone)) for devices in curve
            },
            "fewest_devices": fewest,
        },
    }


def _grown(training: Training, machine: Machine, bounds: Bounds, devices: int) -> dict[str, Any]:
    rows = most_rows(training.cost, machine, devices, training.rows)
    if not rows:
        return {"reason": "memory"}
    return _as_json(plan(training.cost, machine, bounds, devices, rows * devices), training, machine)


def _kept(training: Training, machine: Machine, bounds: Bounds, devices: int) -> dict[str, Any]:
    return _as_json(plan(training.cost, machine, bounds, devices, training.batch), training, machine)


def _as_json(found: Plan | NoPlan, training: Training, machine: Machine) -> dict[str, Any]:
    if isinstance(found, NoPlan):
        return found._asdict()
    return {
        **found._asdict(),
        "mesh": asdict(found.mesh),
        "seconds": found.seconds._asdict(),
        "longest": found.seconds.longest,
        "between_hosts_bytes": between_hosts_bytes(training.cost, found.mesh, found.rows, machine),
    }

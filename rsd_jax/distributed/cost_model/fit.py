"""The free constants of the model, by least squares from measured steps."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rsd_jax.distributed.cost_model.machine import Machine
from rsd_jax.distributed.cost_model.step_cost import Rates, step_seconds
from rsd_jax.distributed.cost_model.training_cost import TrainingCost
from rsd_jax.distributed.mesh import MeshConfig

CONSTANT, COMPUTE, NETWORK = "constant", "matrix_rate", "network_share"

ASSUMED = Rates(constant=0.002, matrix_rate=0.0, network_share=0.1)
"""What stands for a constant that the measured steps do not tell apart from others; the matrix rate always is told."""


class MeasuredStep(NamedTuple):
    """A training that was timed with all devices along the data axis.

    Attributes:
        devices: of all processes. processes: that shared them.
        batch: rows of a step, of all devices.
        samples_per_s: of all devices.
    """

    devices: int
    batch: int
    samples_per_s: float
    processes: int = 1

    @property
    def seconds(self) -> float:
        """Of a step."""
        return self.batch / self.samples_per_s


class Fit(NamedTuple):
    """Constants, and how far to trust them.

    Attributes:
        rates: with which nothing is hidden: what is measured as the network's is what was not.
        fitted: names of `Rates` that the measured steps tell. assumed: those of `ASSUMED`.
        predicted: samples a second of the measured steps by the model, in their order.
    """

    rates: Rates
    fitted: tuple[str, ...]
    assumed: tuple[str, ...]
    predicted: tuple[float, ...]


def fit_rates(measured: Sequence[MeasuredStep], cost: TrainingCost, machine: Machine) -> Fit:
    """Fits the seconds of steps, which are linear in the constant and the inverses of matrix rate and network share.

    Of a single batch a device, the constant is assumed; of one device alone, the network's share. Latencies and what
    the optimizer moves are the machine's, not fitted.

    Raises:
        ValueError: there is no step, one that cannot have been measured, or steps that contradict each other.
    """
    for step in measured:
        _check(step)
    if not measured:
        raise ValueError("measured is empty; a fit needs at least one step, of one device")
    ideal = [
        step_seconds(cost, _mesh(step), step.batch // step.devices, machine, Rates(0, 1.0, 1)) for step in measured
    ]
    free = [
        step_seconds(cost, _mesh(step), step.batch // step.devices, machine, Rates(0, 1.0, np.inf))
        for step in measured
    ]
    columns = {
        CONSTANT: np.ones(len(measured)),
        COMPUTE: np.array([each.compute for each in ideal]),
        NETWORK: np.array([each.data - latency.data for each, latency in zip(ideal, free, strict=True)]),
    }
    # What no constant changes: the update, and the latencies.
    rest = np.array([step.seconds - each.update - each.data for step, each in zip(measured, free, strict=True)])
    known = {CONSTANT: ASSUMED.constant, NETWORK: 1 / ASSUMED.network_share}
    unknown = [COMPUTE]
    for name in (NETWORK, CONSTANT):
        if _rank(columns, [*unknown, name]) > len(unknown):
            unknown.append(name)
    found = _solve(columns, rest, {name: value for name, value in known.items() if name not in unknown}, unknown)
    if found[COMPUTE] <= 0:
        raise ValueError(
            f"measured steps {[tuple(step) for step in measured]} contradict each other: more rows a device took no "
            "longer; measure them again, on devices that do nothing else"
        )
    rates = Rates(found[CONSTANT], 1 / found[COMPUTE], 1 / found[NETWORK])
    seconds = [
        step_seconds(cost, _mesh(step), step.batch // step.devices, machine, rates).nothing_hidden for step in measured
    ]
    return Fit(
        rates,
        tuple(name for name in Rates._fields if name in unknown),
        tuple(name for name in Rates._fields if name not in unknown),
        tuple(step.batch / each for step, each in zip(measured, seconds, strict=True)),
    )


def _check(step: MeasuredStep) -> None:
    if min(step.devices, step.batch, step.processes) < 1 or not 0 < step.samples_per_s < np.inf:
        raise ValueError(
            f"measured step {tuple(step)}: devices, batch, samples a second and processes must be positive"
        )
    if step.batch % step.devices:
        raise ValueError(
            f"measured step {tuple(step)}: batch {step.batch} must be divisible by devices {step.devices}; give the "
            "rows of all devices together"
        )


def _mesh(step: MeasuredStep) -> MeshConfig:
    return MeshConfig(data=step.devices, fsdp=1, tensor=1)


def _rank(columns: dict[str, np.ndarray], names: list[str]) -> int:
    matrix = np.stack([columns[name] for name in names], axis=1)
    largest = np.abs(matrix).max(axis=0)
    return int(np.linalg.matrix_rank(matrix / np.where(largest > 0, largest, 1), tol=1e-6))


def _solve(
    columns: dict[str, np.ndarray], rest: np.ndarray, known: dict[str, float], unknown: list[str]
) -> dict[str, float]:
    """Least squares; a constant that comes out below what it can be is held there, and the others are fitted again."""
    least = {CONSTANT: 0.0, NETWORK: 1.0}
    while True:
        target = rest - sum(columns[name] * value for name, value in known.items())
        matrix = np.stack([columns[name] for name in unknown], axis=1)
        scale = np.abs(matrix).max(axis=0)
        values = np.linalg.lstsq(matrix / scale, target, rcond=None)[0] / scale
        found = known | dict(zip(unknown, map(float, values), strict=True))
        too_low = [name for name in unknown if name in least and found[name] < least[name]]
        if not too_low:
            return found
        known, unknown = known | {too_low[0]: least[too_low[0]]}, [name for name in unknown if name != too_low[0]]

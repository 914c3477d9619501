"""Plans for many devices as cells of tables and as sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

COLUMNS = ("devices", "mesh", "rows a device", "memory", "samples/s", "efficiency", "longest part")

TITLES = {
    "policy": "Compact policy",
    "openvla_7b": "OpenVLA 7B, all parameters",
    "openvla_7b_heads": "Main head on stored 7B features",
}

PARTS = {
    "constant": "constant a step",
    "update": "update",
    "compute": "compute",
    "data": "network, data axis",
    "fsdp": "network, fsdp axis",
    "tensor": "network, tensor axis",
}

NO_MESH = {"memory": "no mesh has room", "batch size": "the batch is too small for so many"}


def cells(training: Mapping[str, Any], mode: str, devices: int, memory: str) -> list[str]:
    """The cells of a plan, in the order of `COLUMNS`.

    Args:
        training: of ``results/scaling_plan.json``.
        mode: ``kept_batch`` or ``grown_batch``.
        devices: how many.
        memory: of a device in GB, as the file names it.
    """
    found = training[mode][memory][str(devices)]
    if "reason" in found:
        return [str(devices), f"- ({NO_MESH[found['reason']]})", *["-"] * (len(COLUMNS) - 2)]
    bounds = found["least"], found["most"]
    shares = [100 * reached / devices / one for reached, one in zip(bounds, training["alone"], strict=True)]
    mesh = found["mesh"]
    rows = found["rows"] // (mesh["data"] * mesh["fsdp"])
    return [
        str(devices),
        mesh_text(mesh),
        str(rows),
        f"{found['bytes'] / 1e9:.1f} GB",
        interval(*(significant(bound) for bound in bounds)),
        interval(*(f"{share:.{int(share < 9.5)}f}" for share in sorted(shares))) + " %",
        PARTS[found["longest"]],
    ]


def mesh_text(mesh: Mapping[str, int]) -> str:
    """``data 4 x fsdp 2``: the axes that split anything."""
    return " x ".join(f"{axis} {size}" for axis, size in mesh.items() if size > 1) or "1"


def interval(low: str, high: str) -> str:
    """``3 to 5``, or ``3`` where both are alike."""
    return low if low == high else f"{low} to {high}"


def significant(value: float) -> str:
    """Three digits, the thousands set apart: ``12,300``."""
    digits = max(0, 2 - (len(f"{value:.0f}") - 1))
    if digits == 0:
        power = 10 ** max(0, len(f"{value:.0f}") - 3)
        return f"{round(value / power) * power:,}"
    return f"{value:.{digits}f}"


def size_text(training: Mapping[str, Any]) -> str:
    """What a training costs, without a full stop."""
    cost = training["cost"]
    return (
        f"{sum(cost['parameters']) / 1e6:,.1f} million trained parameters with {4 * cost['state_copies']} bytes each, "
        f"{cost['flops_per_row'] / 1e9:,.2f} GFLOP a row, {cost['activation_bytes_per_row'] / 1e6:,.1f} MB of "
        f"activations a row, {cost['row_bytes'] / 1e3:,.0f} kB of it to read"
    )


def breaking_points(
    training: Mapping[str, Any], devices: Sequence[int], disk: float, devices_per_host: int
) -> list[str]:
    """Where a training breaks: a sentence each for batch, memory and input.

    Args:
        training: of ``results/scaling_plan.json``.
        devices: numbers of them that are shown.
        disk: bytes a second that a host reads.
        devices_per_host: of a host.
    """
    *_, plans = training["grown_batch"].values()
    points = [
        _batch(training, devices),
        _memory(training["breaks"]["fewest_devices"]),
        *_network({number: plans[str(number)] for number in devices if number > devices_per_host}),
    ]
    host = plans.get(str(devices_per_host), {})
    if "least" in host:
        read = [host[name] * training["cost"]["row_bytes"] for name in ("least", "most")]
        points.append(_input(read, disk, devices_per_host))
    return points


def _batch(training: Mapping[str, Any], devices: Sequence[int]) -> str:
    useful, for_half = (training["breaks"][name] for name in ("last_useful_doubling", "rows_for_half"))
    gained = "bring less than 1.25 times the samples/s"
    stops = "; ".join(
        f"at {rows} rows a step, {f'twice as many devices as {last} {gained}' if last else 'no mesh has room'}"
        for rows, last in useful.items()
    )
    rows = "; ".join(
        f"{number} devices {' and '.join('no batch that fits' if one is None else f'{one:,}' for one in found)}"
        for number, found in ((number, for_half[str(number)]) for number in devices)
        if number > 1
    )
    return (
        f"Batch: with nothing hidden, {stops}. "
        f"Fewest rows a step at half of one device's speed each, nothing hidden and all hidden: {rows}."
    )


def _memory(fewest: Mapping[str, int | None]) -> str:
    found = (f"{number or 'none'} with {memory} GB" for memory, number in fewest.items())
    return f"Memory: fewest devices, {', '.join(found)}."


def _network(plans: Mapping[int, Mapping[str, Any]]) -> list[str]:
    found = [
        f"on {number} devices {plan['between_hosts_bytes'] / 1e6:,.1f} MB, as long as computing at "
        f"{plan['between_hosts_bytes'] / plan['seconds']['compute'] / 1e9:.3g} GB/s"
        for number, plan in plans.items()
        if plan.get("between_hosts_bytes")
    ]
    text = f"Network: what each device of the second table sends to other hosts in a step, {'; '.join(found)}."
    return [text] if found else []


def _input(read: Sequence[float], disk: float, devices_per_host: int) -> str:
    rate = interval(*(f"{number / 1e9:.3g}" for number in read))
    enough = max(read) <= disk
    verdict = "which files give" if enough else "so that they have to lie on the devices"
    return (
        f"Input: a host of {devices_per_host} takes {rate} GB/s of rows, where one read {disk / 1e9:.1f} GB/s of "
        f"files, {verdict}."
    )

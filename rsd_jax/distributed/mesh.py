"""The device mesh of a run: data x fsdp x tensor."""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
from jax.sharding import AxisType, Mesh

MESH_AXES = ("data", "fsdp", "tensor")


@dataclass(frozen=True)
class MeshConfig:
    """Sizes of the mesh axes; at most one is -1, which takes the devices that the others leave.

    Attributes:
        data: copies of the model, each with its part of the batch.
        fsdp: parts into which parameters and batch are split.
        tensor: parts into which the hidden axes of a layer are split.
    """

    data: int = -1
    fsdp: int = 1
    tensor: int = 1


def make_mesh(config: MeshConfig, devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Arranges devices in a mesh with the axes `MESH_AXES`: all of all processes, if no others are given.

    Raises:
        ValueError: sizes that are no sizes, or do not use exactly the devices there are.
    """
    devices = jax.devices() if devices is None else devices
    num_devices = len(devices)
    sizes = {axis: getattr(config, axis) for axis in MESH_AXES}
    written = " x ".join(f"{axis}={size}" for axis, size in sizes.items())
    if any(size < 1 and size != -1 for size in sizes.values()) or list(sizes.values()).count(-1) > 1:
        raise ValueError(f"mesh {written}: sizes must be positive, and at most one may be -1 (the remaining devices)")
    fixed = 1
    for size in sizes.values():
        fixed *= 1 if size == -1 else size
    if fixed > num_devices:
        raise ValueError(
            f"mesh {written} asks for {fixed} devices, but {num_devices} "
            f"{'exists' if num_devices == 1 else 'exist'} ({devices[0].platform}, {jax.process_count()} "
            "process(es)); use smaller --config.mesh.* sizes, or on a CPU "
            f"XLA_FLAGS=--xla_force_host_platform_device_count={fixed}"
        )
    if num_devices % fixed or (-1 not in sizes.values() and fixed != num_devices):
        raise ValueError(
            f"mesh {written} uses {fixed} of {num_devices} devices; all must be used: set one of --config.mesh.data, "
            "--config.mesh.fsdp, --config.mesh.tensor to -1 and let the others divide the number of devices"
        )
    shape = tuple(num_devices // fixed if size == -1 else size for size in sizes.values())
    return jax.make_mesh(shape, MESH_AXES, axis_types=(AxisType.Auto,) * len(MESH_AXES), devices=devices)

"""The one table that maps logical axis names to mesh axes, and shardings derived from it."""

from collections.abc import Mapping
from types import MappingProxyType

import jax
from flax import linen as nn
from jax.sharding import AbstractMesh, Mesh, NamedSharding, PartitionSpec

from rsd_jax.array_types import PyTree

BATCH_AXES = ("data", "fsdp")
"""Mesh axes over which the leading axis of a batch is split."""

LOGICAL_TO_MESH: Mapping[str, str | None] = MappingProxyType(
    {
        "embed": "fsdp",  # feature axis between blocks
        "mlp": "tensor",  # hidden axis inside a block
        "heads": "tensor",  # attention heads
        "head_dim": None,  # features of one attention head
        "position": None,  # tables indexed by sequence position
        "vocab": None,  # tables indexed by words or levels; too small to be worth splitting
        "text_vocab": "tensor",  # a language model's table of tokens
        "channels": None,  # image channels of a convolution
        "action": None,  # 7 action dimensions, divisible by no mesh
        "proprio": None,
        "latent": None,
        "layer": None,
        "level": None,
        "rank": None,  # of a low-rank adapter; a few dozen
    }
)


class UnknownLogicalAxisError(ValueError):
    """A parameter names a logical axis for which the table has no rule."""


def partition_spec(axis_names: tuple[str | None, ...], parameter: str = "") -> PartitionSpec:
    """Maps the logical names of an array's axes to a partition of the mesh.

    Args:
        axis_names: one name an axis; ``None`` for an axis that is never sharded.
        parameter: path of the parameter, for the error message.

    Raises:
        UnknownLogicalAxisError: a name has no rule.
    """
    mesh_axes = []
    for name in axis_names:
        if name is not None and name not in LOGICAL_TO_MESH:
            where = f" of parameter {parameter}" if parameter else ""
            raise UnknownLogicalAxisError(
                f"logical axis {name!r}{where} has no sharding rule; known names: {', '.join(LOGICAL_TO_MESH)}. "
                "Use one of them or add a rule to LOGICAL_TO_MESH in rsd_jax/distributed/sharding_rules.py"
            )
        mesh_axes.append(None if name is None else LOGICAL_TO_MESH[name])
    return PartitionSpec(*_without_repeats(mesh_axes))


def _without_repeats(mesh_axes: list[str | None]) -> list[str | None]:
    """Keeps the first use of each mesh axis: an array can be split over one mesh axis only once."""
    return [axis if axis not in mesh_axes[:i] else None for i, axis in enumerate(mesh_axes)]


def state_shardings(boxed_shapes: PyTree, mesh: Mesh | AbstractMesh) -> PyTree:
    """Shardings of a state whose leaves may carry logical names.

    Args:
        boxed_shapes: result of `jax.eval_shape`; `flax.linen.LogicallyPartitioned` leaves are sharded by the table,
            plain leaves are replicated.
        mesh: the mesh of `rsd_jax.distributed.mesh.make_mesh`, or sizes of one whose devices are not there.

    Returns:
        A pytree of `NamedSharding` with the structure of the *unboxed* state.

    Raises:
        UnknownLogicalAxisError: a leaf names an axis without a rule.
        ValueError: a sharded axis is not divisible by the mesh axis.
    """

    def sharding(path: tuple[object, ...], leaf: object) -> NamedSharding:
        if not isinstance(leaf, nn.LogicallyPartitioned):
            return NamedSharding(mesh, PartitionSpec())
        parameter = jax.tree_util.keystr(path)
        spec = partition_spec(leaf.names, parameter)
        _require_divisible(leaf.value.shape, leaf.names, spec, mesh, parameter)
        return NamedSharding(mesh, spec)

    return jax.tree_util.tree_map_with_path(sharding, boxed_shapes, is_leaf=_is_boxed)


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """Sharding of a batch: the leading axis over data and fsdp, the rest whole."""
    return NamedSharding(mesh, PartitionSpec(BATCH_AXES))


def _is_boxed(leaf: object) -> bool:
    return isinstance(leaf, nn.LogicallyPartitioned)


def _require_divisible(
    shape: tuple[int, ...],
    names: tuple[str | None, ...],
    spec: PartitionSpec,
    mesh: Mesh | AbstractMesh,
    parameter: str,
) -> None:
    for size, name, mesh_axis in zip(shape, names, spec, strict=True):
        if mesh_axis is not None and size % mesh.shape[mesh_axis]:
            raise ValueError(
                f"axis {name!r} of parameter {parameter} has size {size}, which mesh axis {mesh_axis!r} of size "
                f"{mesh.shape[mesh_axis]} does not divide; change the width or --config.mesh.{mesh_axis}"
            )

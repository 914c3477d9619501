"""Rows of a batch that stay on their devices all the way through a network whose weights are split as well."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
from flax import linen as nn
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from rsd_jax.distributed.sharding_rules import BATCH_AXES

_LAYERS = (nn.Dense, nn.DenseGeneral, nn.Embed)


@contextmanager
def rows_stay_apart(mesh: Mesh | None) -> Iterator[None]:
    """A block in which the results of linear layers and tables keep their rows split over `mesh`, and so gradients.

    Where batch and weights are split over the same devices, XLA else divides features instead of rows, as the weights
    are, and adds up the activations of all rows on all devices. So it brings the weights together, layer by layer.

    Args:
        mesh: of `rsd_jax.distributed.mesh.make_mesh`; None changes nothing.
    """
    if mesh is None or mesh.shape["fsdp"] == 1:
        yield
        return

    def keep(layer: Any, arguments: Any, keywords: Any, context: Any) -> Any:
        result = layer(*arguments, **keywords)
        if context.method_name != "__call__" or not isinstance(context.module, _LAYERS):
            return result
        if result.shape[0] % (mesh.shape["data"] * mesh.shape["fsdp"]):
            return result  # one row, where parameters are drawn
        spec = PartitionSpec(BATCH_AXES, *(PartitionSpec.UNCONSTRAINED,) * (result.ndim - 1))
        return jax.lax.with_sharding_constraint(result, NamedSharding(mesh, spec))

    with nn.intercept_methods(keep):
        yield

"""Layers counted from where each column stands, addressed without gathers and scatters."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Shaped

from rsd_jax.array_types import Position, typecheck


@typecheck
def layers_ahead(position: Position, num_layers: int) -> Int[Array, "B C D L"]:
    """How far layer l lies behind each column's `position`: ``l - position``, negative for layers already decoded.

    Comparing it with a constant addresses "the layer k behind my position" in every column at once, without a gather
    or scatter.

    Args:
        position: next layer to decode, per column.
        num_layers: L.
    """
    layer = jax.lax.broadcasted_iota(position.dtype, (*position.shape, num_layers), position.ndim)
    return layer - position[..., None]


@typecheck
def write_ahead(
    values: Shaped[Array, "B C D L *rest"], position: Position | int, written: Shaped[Array, "B C D N *rest"]
) -> Shaped[Array, "B C D L *rest"]:
    """Writes `written` into the layers ``position .. position + N - 1`` of `values`.

    What would lie behind the last layer is dropped; a finished column (position L) is left as it is.

    Args:
        values: by layer.
        position: of each column; a Python number where it is the same in every column.
        written: by distance from the position.
    """
    num_layers = values.shape[3]
    if isinstance(position, int):
        end = min(position + written.shape[3], num_layers)
        parts = (values[:, :, :, :position], written[:, :, :, : end - position], values[:, :, :, end:])
        return jnp.concatenate(parts, axis=3)
    ahead = layers_ahead(position, num_layers).reshape(*values.shape[:4], *[1] * (values.ndim - 4))
    for k in range(written.shape[3]):
        values = jnp.where(ahead == k, written[:, :, :, k, None], values)
    return values

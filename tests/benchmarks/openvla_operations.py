"""What a chunk of OpenVLA costs in arithmetic."""

from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn

from rsd_jax.backbones.openvla.backbone import OpenVlaBackbone
from rsd_jax.distributed.operation_count import count_operations


def chunk_operations(backbone: OpenVlaBackbone, batch: int) -> float:
    """Operations of the matrix products of one call, from frames to the states of its slots.

    Where attention is a library's kernel its own products, a fiftieth, are not among them.
    """
    side = backbone.sizes.image_size
    params = jax.eval_shape(backbone.init, jax.random.key(0))
    shapes = (
        ((batch, len(backbone.cameras), side, side, 3), jnp.uint8),
        ((batch, backbone.state_size), jnp.float32),
        ((batch, backbone.prompt_length), jnp.int32),
    )
    inputs = [jax.ShapeDtypeStruct(*shape) for shape in shapes]
    traced = jax.make_jaxpr(partial(backbone.apply, "slot_states"))(nn.unbox(params), *inputs)
    return float(count_operations(traced.jaxpr))

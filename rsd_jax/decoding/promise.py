"""What a chunk is told of the one before it, part of which is executed while it is decoded.

Real-time chunking (Black et al. 2025, "Real-Time Execution of Action Chunking Flow Policies", arXiv 2506.07339) with
tokens in place of flows: steps that will have been executed when the chunk is there stay as they are, and those behind
them that the last chunk planned as well are continued. Inpainting needs no guidance here. Digits that are given stay,
and decoding fills in the rest: all layers of a fixed step are given, of an overlapping one the coarse layers, so that
the plan stays and its fine digits answer to what is seen now.
"""

import jax.numpy as jnp
from jaxtyping import Array, Int

from rsd_jax.array_types import Tokens, typecheck
from rsd_jax.decoding.interface import GivenTokens


@typecheck
def promised_tokens(
    previous: Tokens,
    passed: Int[Array, "B"],
    fixed: Int[Array, "B"],
    overlapping: Int[Array, "B"],
    coarse_layers: int,
) -> GivenTokens:
    """The digits that a chunk is given of the previous one; row by row, none where nothing is promised.

    Args:
        previous: tokens of the previous chunk.
        passed: its steps that lie behind: its step ``passed + c`` is step c of the chunk to decode.
        fixed: steps that are executed before the chunk is there, given with all layers.
        overlapping: further steps that the previous chunk planned, given with `coarse_layers` layers. Steps that it
            does not have are not given, whatever is asked.
        coarse_layers: 0 to L.

    Raises:
        ValueError: `coarse_layers` is outside 0..L.
    """
    chunk_length, num_layers = previous.shape[1], previous.shape[3]
    if not 0 <= coarse_layers <= num_layers:
        raise ValueError(f"coarse_layers is {coarse_layers}; it must be between 0 and num_layers = {num_layers}")
    step = jnp.arange(chunk_length, dtype=jnp.int32)
    source = step + passed[:, None]
    tokens = jnp.take_along_axis(previous, jnp.minimum(source, chunk_length - 1)[..., None, None], axis=1)
    is_fixed, is_promised = step < fixed[:, None], step < (fixed + overlapping)[:, None]
    layers = jnp.where(is_fixed, num_layers, jnp.where(is_promised, coarse_layers, 0))
    layers = jnp.where(source < chunk_length, layers, 0).astype(jnp.int32)
    return GivenTokens(tokens, jnp.broadcast_to(layers[..., None], previous.shape[:-1]))

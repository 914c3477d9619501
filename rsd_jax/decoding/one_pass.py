"""All layers in one pass: the main head scores the whole code once, given a guess of it.

What a policy without depth would say: its digits know nothing of each other but what the guess told them. It is the
first pass of `fixed_point`, and equals `autoregressive` in layer 0 for any guess, in layer l where the guess was right
before it.
"""

import jax.numpy as jnp

from rsd_jax.array_types import PyTree, Tokens, typecheck
from rsd_jax.decoding.acceptance import undrafted
from rsd_jax.decoding.interface import (
    CodeShape,
    DecodeResult,
    GivenTokens,
    MainFn,
    check_code_shape,
    nothing_given,
)
from rsd_jax.most_likely import most_likely


@typecheck
def one_pass(
    features: PyTree, main: MainFn, shape: CodeShape, batch_size: int, guess: Tokens, given: GivenTokens | None = None
) -> DecodeResult:
    """Decodes L layers in one pass of `main`.

    Args:
        features: what `main` reads, opaque here.
        main: scores all L layers in one pass.
        shape: static shape of the code.
        batch_size: B.
        guess: what stands for the coarser digits of every layer.
        given: digits known in advance, which stay; None for none.

    Returns:
        The most likely digits, one round, and acceptance counts of zero, because nothing was drafted.

    Raises:
        ValueError: `shape` drafts more layers than there are.
    """
    check_code_shape(shape)
    given = nothing_given(batch_size, shape) if given is None else given
    is_given = jnp.arange(shape.num_layers) < given.depth[..., None]
    told = jnp.where(is_given, given.tokens, guess.astype(jnp.int32))
    chosen = most_likely(main(features, told, 0, num_layers=shape.num_layers))
    return undrafted(jnp.where(is_given, given.tokens, chosen), jnp.ones(batch_size, jnp.int32), shape)

"""What of a block is kept for the backward pass, and what is computed there once more."""

import inspect
from collections.abc import Sequence

import jax
from flax import linen as nn

KEPT_ACTIVATIONS = ("all", "products", "inputs")
"""All; the results of products with weights, so that only what costs little is computed again; or what enters a block
alone, so that the backward pass begins with another forward one (Chen et al. 2016, arXiv 1604.06174)."""


def keeping(kept: str, block: type[nn.Module], static_arguments: Sequence[str] = ()) -> type[nn.Module]:
    """`block`, whose ``__call__`` keeps what `kept` says, one of `KEPT_ACTIVATIONS`; its parameters stay the same.

    `static_arguments` are those of its arguments that are no arrays.
    """
    if kept == "all":
        return block
    policy = jax.checkpoint_policies.dots_with_no_batch_dims_saveable if kept == "products" else None
    places = list(inspect.signature(block.__call__).parameters)
    remade: type[nn.Module] = nn.remat(
        block, policy=policy, static_argnums=tuple(places.index(name) for name in static_arguments)
    )
    return remade

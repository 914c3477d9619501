"""What a network's training costs, from its traced loss: nothing is compiled, drawn or run."""

import math
from collections import Counter
from collections.abc import Callable, Sequence

import jax
from flax import linen as nn
from flax.core import meta

from rsd_jax.array_types import PyTree
from rsd_jax.distributed.cost_model.training_cost import Parameters, Stack, TrainingCost
from rsd_jax.distributed.operation_count import bytes_kept, count_operations
from rsd_jax.distributed.sharding_rules import partition_spec

PASSES = 3
"""Forward passes that forward and backward pass cost together: two products for each of the forward pass (Kaplan et
al. 2020, arXiv 2001.08361, section 2.1)."""


def trace_cost(
    init: Callable[[jax.Array], PyTree],
    loss: Callable[[int], Callable[[PyTree], jax.Array]],
    stacks: Sequence[Stack],
    *,
    compute_bytes: int,
    state_copies: int,
    row_bytes: int,
) -> TrainingCost:
    """The cost of a training.

    Args:
        init: draws the parameters, whose leaves carry logical axis names; traceable.
        loss: for a number of rows, the loss as a function of the parameters alone.
        stacks, compute_bytes, state_copies, row_bytes: see `TrainingCost`.
    """
    boxed = jax.eval_shape(init, jax.random.key(0))
    params = meta.unbox(boxed)
    operations = count_operations(jax.make_jaxpr(loss(1))(params).jaxpr)
    # Of two rows and of one: what is kept of the parameters themselves is the same.
    kept = bytes_kept(loss(2), params) - bytes_kept(loss(1), params)
    parameters, most = _divided(boxed)
    return TrainingCost(
        flops_per_row=PASSES * operations,
        parameters=parameters,
        state_copies=state_copies,
        activation_bytes_per_row=kept,
        compute_bytes=compute_bytes,
        stacks=tuple(stacks),
        most_fsdp=most["fsdp"],
        most_tensor=most["tensor"] if stacks else 1,
        row_bytes=row_bytes,
    )


def _divided(boxed: PyTree) -> tuple[Parameters, dict[str, int]]:
    """Parameters by the axes that split them, and the largest size of each axis that divides them all."""
    counts: Counter[frozenset[str]] = Counter()
    most = {"fsdp": 0, "tensor": 0}
    for leaf in jax.tree.leaves(boxed, is_leaf=lambda leaf: isinstance(leaf, nn.LogicallyPartitioned)):
        is_named = isinstance(leaf, nn.LogicallyPartitioned)
        shape = leaf.value.shape if is_named else leaf.shape
        axes = tuple(partition_spec(leaf.names)) if is_named else (None,) * len(shape)
        for size, axis in zip(shape, axes, strict=True):
            if axis is not None:
                most[axis] = math.gcd(most[axis], size)
        counts[frozenset(axis for axis in axes if axis is not None)] += math.prod(shape)
    splits: tuple[set[str], ...] = (set(), {"fsdp"}, {"tensor"}, {"fsdp", "tensor"})
    return Parameters(*(counts[frozenset(split)] for split in splits)), {
        axis: size or 1 for axis, size in most.items()
    }

"""What a traced function computes and keeps, counted without compiling or running it."""

import math
from collections.abc import Callable
from typing import Any

import jax

from rsd_jax.array_types import PyTree


def count_operations(jaxpr: Any) -> int:
    """Multiplications and additions of all matrix products and convolutions in a traced function.

    A scan's body counts as often as it runs; that of a loop whose number of passes the trace does not tell, once.
    """
    total = 0
    for equation in jaxpr.eqns:
        output = equation.outvars[0].aval
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            total += 2 * output.size * math.prod(equation.invars[0].aval.shape[axis] for axis in contracted)
        elif equation.primitive.name == "conv_general_dilated":
            kernel, dimensions = equation.invars[1].aval, equation.params["dimension_numbers"]
            total += 2 * output.size * kernel.size // kernel.shape[dimensions.rhs_spec[0]]
        for value in equation.params.values():
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                passes = equation.params["length"] if equation.primitive.name == "scan" else 1
                total += passes * count_operations(inner)
    return total


def bytes_kept(loss: Callable[[PyTree], jax.Array], params: PyTree) -> int:
    """Bytes that the gradient of `loss` keeps from the forward pass, parameters in the type they compute in included.

    What JAX would store operation by operation: a compiler that fuses operations, or computes some of them again in
    the backward pass, keeps less.

    Args:
        loss: of the parameters alone.
        params: arrays, or shapes and types in their place.
    """
    kept = jax.eval_shape(lambda given: jax.vjp(loss, given)[1], params)
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(kept))

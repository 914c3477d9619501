"""Parameters of small networks, drawn by few compiled programs."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from flax import linen as nn


def initialised(init: Callable[..., Any], seed: int, *arguments: Any, **constants: Any) -> Any:
    """What ``init(key, *arguments, **constants)`` draws, without boxes, by one program instead of one an operation."""
    return nn.unbox(jax.jit(lambda key, *given: init(key, *given, **constants))(jax.random.key(seed), *arguments))


def alive(params: Any, seed: int) -> Any:
    """Parameters away from their initial zeros, so that every term of what they compute counts."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: leaf + np.float32(0.3) * rng.standard_normal(leaf.shape, np.float32), params)


def random_params(init: Callable[..., Any], seed: int, *arguments: Any) -> Any:
    """Random parameters of the shapes that ``init(key, *arguments)`` draws, without boxes; compiles nothing."""
    rng = np.random.default_rng(seed)
    shapes = nn.unbox(jax.eval_shape(init, jax.random.key(0), *arguments))
    return jax.tree.map(lambda leaf: np.float32(0.3) * rng.standard_normal(leaf.shape, np.float32), shapes)

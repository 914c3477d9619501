"""The complete state of a training run, and how it is born on the mesh."""

from collections.abc import Callable
from typing import Any

import flax
import jax
import jax.numpy as jnp
import optax
from flax.core import meta
from flax.traverse_util import flatten_dict, unflatten_dict
from jax.sharding import Mesh

from rsd_jax.array_types import PyTree
from rsd_jax.distributed.sharding_rules import state_shardings
from rsd_jax.training.objectives.interface import Objective, Variables


@flax.struct.dataclass
class TrainState:
    """Everything that the next step depends on; the data position is `step`.

    Attributes:
        step: ``int32 []``, optimizer steps done.
        params: nested dict of trained arrays.
        opt_state: state of the optax optimizer.
        ema_params: exponential moving average of `params`, or ``None`` if it is off.
        model_state: what the forward pass updates (`Variables.model_state`).
        key: typed key ``[]``, constant; step i uses ``fold_in(key, i)``.
    """

    step: jax.Array
    params: PyTree
    opt_state: optax.OptState
    ema_params: PyTree
    model_state: PyTree
    key: jax.Array

    @property
    def evaluated(self) -> Variables:
        """The variables that are evaluated and deployed: the averaged parameters where there are any."""
        return Variables(self.params if self.ema_params is None else self.ema_params, self.model_state)


MANTISSA_BITS = {"float32": 23, "bfloat16": 7}
"""Types whose values evaluated parameters may be rounded to; both have 8 bits of exponent."""


def rounded(variables: Variables, dtype: str) -> Variables:
    """`variables` with parameters rounded to values of `dtype`, in the type they have."""
    # Not a cast there and back, which XLA may leave out.
    bits = MANTISSA_BITS[dtype]
    return variables._replace(
        params=jax.tree.map(lambda array: jax.lax.reduce_precision(array, 8, bits), variables.params)
    )


def create_train_state(
    objective: Objective,
    optimizer: optax.GradientTransformation,
    ema: bool,
    seed: int,
    mesh: Mesh,
    given: PyTree = None,
) -> tuple[TrainState, PyTree]:
    """Draws the initial state directly in its sharding, so that no device ever holds a whole large model.

    Args:
        objective: draws the variables, whose leaves may carry logical axis names.
        optimizer: its state is sharded like the parameters.
        ema: whether to keep averaged parameters.
        seed: of the initial variables and of the losses' randomness.
        mesh: where the state lives.
        given: parameters to start from, plain arrays in nested dicts; those that are left out are drawn.

    Raises:
        ValueError: some of those given are none of the objective's, or have other shapes.

    Returns:
        The state and its shardings, two trees of one structure.
    """
    init = _initialiser(objective, optimizer, ema)
    # The key is an argument, so that XLA cannot fold the draws into constants while it compiles.
    key = jax.random.key(seed)
    shardings = state_shardings(jax.eval_shape(init, key), mesh)
    draw = jax.jit(lambda key, given: meta.unbox(init(key, given)), out_shardings=shardings)
    return draw(key, given or {}), shardings


def abstract_train_state(
    objective: Objective, optimizer: optax.GradientTransformation, ema: bool, mesh: Mesh
) -> tuple[TrainState, PyTree]:
    """Shapes, types and shardings of what `create_train_state` draws, and the shardings alone."""
    boxed = jax.eval_shape(_initialiser(objective, optimizer, ema), jax.random.key(0))
    shardings = state_shardings(boxed, mesh)
    state = jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        meta.unbox(boxed),
        shardings,
    )
    return state, shardings


def _initialiser(
    objective: Objective, optimizer: optax.GradientTransformation, ema: bool
) -> Callable[..., TrainState]:
    def init(key: jax.Array, given: PyTree = None) -> TrainState:
        init_key, step_key = jax.random.split(key)
        variables = objective.init(init_key)
        if given:
            variables = variables._replace(params=_with_given(variables.params, given))
        return TrainState(
            step=jnp.zeros((), jnp.int32),
            params=variables.params,
            opt_state=optimizer.init(variables.params),
            ema_params=jax.tree.map(jnp.copy, variables.params) if ema else None,
            model_state=variables.model_state,
            key=step_key,
        )

    return init


def _with_given(drawn: PyTree, given: PyTree) -> PyTree:
    """`drawn` with the values of `given` in their places, in the types and with the logical axes that are there."""
    leaves, replaced = flatten_dict(drawn), flatten_dict(given)
    if unknown := sorted(".".join(path) for path in replaced.keys() - leaves.keys()):
        raise ValueError(f"parameters to start from are none of the network's: {', '.join(unknown)}")
    for path, value in replaced.items():
        old = meta.unbox(leaves[path])
        if value.shape != old.shape:
            raise ValueError(
                f"parameter {'.'.join(path)} to start from has shape {value.shape}; the network's has {old.shape}"
            )
        leaves[path] = meta.replace_boxed(leaves[path], value.astype(old.dtype))
    return unflatten_dict(leaves)


def to_checkpoint(state: TrainState) -> dict[str, Any]:
    """Splits a state into what inference needs (``variables``) and the rest that training needs (``training``)."""
    return {
        "variables": state.evaluated._asdict(),
        "training": {
            "step": state.step,
            "opt_state": state.opt_state,
            "key": state.key,
            "raw_params": {} if state.ema_params is None else state.params,
        },
    }


def from_checkpoint(trees: dict[str, Any]) -> TrainState:
    """Inverse of `to_checkpoint`."""
    variables, training = trees["variables"], trees["training"]
    averaged = bool(training["raw_params"])
    return TrainState(
        step=training["step"],
        params=training["raw_params"] if averaged else variables["params"],
        opt_state=training["opt_state"],
        ema_params=variables["params"] if averaged else None,
        model_state=variables["model_state"],
        key=training["key"],
    )

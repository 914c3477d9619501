"""The optimizer and the compiled optimizer step, single or several in one call."""

from collections.abc import Callable
from typing import Protocol

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jax.stages import Lowered

from rsd_jax.array_types import PyTree
from rsd_jax.training.configuration import TrainingConfig
from rsd_jax.training.objectives.interface import LossOutput, Objective, Variables
from rsd_jax.training.rounded_state import round_like, scale_by_adam_kept_in
from rsd_jax.training.train_state import TrainState

Metrics = dict[str, jax.Array]
_Step = Callable[[TrainState, PyTree, PyTree], tuple[TrainState, Metrics]]


class TrainStep(Protocol):
    """A compiled step."""

    def __call__(self, state: TrainState, frozen: PyTree, batch: PyTree) -> tuple[TrainState, Metrics]:
        """Takes the step; `state` is donated."""
        ...

    def lower(self, state: TrainState, frozen: PyTree, batch: PyTree) -> Lowered:
        """The program for arguments like these, which need not be arrays."""
        ...


def learning_rate_schedule(config: TrainingConfig) -> optax.Schedule:
    """Linear warm-up to `learning_rate`, then a cosine to zero at `steps`."""
    cosine = optax.cosine_decay_schedule(config.learning_rate, config.steps - config.warmup_steps)
    if config.warmup_steps == 0:
        return cosine
    # The first update already moves: the ramp passes zero one step before it.
    ramp = optax.linear_schedule(
        config.learning_rate / (config.warmup_steps + 1), config.learning_rate, config.warmup_steps
    )
    return optax.join_schedules([ramp, cosine], [config.warmup_steps])


def make_optimizer(config: TrainingConfig, moments_dtype: str | None = None) -> optax.GradientTransformation:
    """AdamW behind a clip of the global gradient norm; vectors (biases, scales) are not decayed.

    Args:
        config: learning rate, weight decay and clip.
        moments_dtype: of the moments, see `scale_by_adam_kept_in`; by default they have the parameters' types.
    """
    schedule, decay = learning_rate_schedule(config), config.weight_decay
    if moments_dtype is None:
        adam = optax.adamw(schedule, weight_decay=decay, mask=_are_matrices)
    else:
        adam = optax.chain(
            scale_by_adam_kept_in(moments_dtype),
            optax.add_decayed_weights(decay, _are_matrices),
            optax.scale_by_learning_rate(schedule),
        )
    return optax.chain(optax.clip_by_global_norm(config.gradient_clip), adam)


def _are_matrices(params: PyTree) -> PyTree:
    return jax.tree.map(lambda array: array.ndim > 1, params)


def make_train_step(
    objective: Objective,
    optimizer: optax.GradientTransformation,
    config: TrainingConfig,
    shardings: PyTree,
    mesh: Mesh,
) -> TrainStep:
    """Compiles ``(state, frozen, batch) -> (state, metrics)``; the given state is donated.

    Metrics are replicated scalars: those of the objective, and ``loss``, ``gradient_norm``, ``learning_rate``.
    """
    return _compile(_step(objective, optimizer, config), shardings, mesh)


def make_stacked_train_step(
    objective: Objective,
    optimizer: optax.GradientTransformation,
    config: TrainingConfig,
    shardings: PyTree,
    mesh: Mesh,
) -> TrainStep:
    """Compiles several steps of `make_train_step` into one call, for every number of them a program.

    Batches ``[K, batch_size, ...]`` are taken one after the other; every metric comes back as ``[K]``.
    On a CPU the bits are those of single steps, unless the network convolves: XLA brings the gradients of convolutions
    into the form of its fast kernels only outside of loops.
    """
    step = _step(objective, optimizer, config)

    def steps(state: TrainState, frozen: PyTree, batches: PyTree) -> tuple[TrainState, Metrics]:
        return jax.lax.scan(lambda state, batch: step(state, frozen, batch), state, batches)

    return _compile(steps, shardings, mesh)


def _compile(step: _Step, shardings: PyTree, mesh: Mesh) -> TrainStep:
    compiled: TrainStep = jax.jit(
        step, donate_argnums=0, out_shardings=(shardings, NamedSharding(mesh, PartitionSpec()))
    )
    return compiled


def _step(objective: Objective, optimizer: optax.GradientTransformation, config: TrainingConfig) -> _Step:
    schedule = learning_rate_schedule(config)

    def step(state: TrainState, frozen: PyTree, batch: PyTree) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(state.key, state.step)

        def loss(params: PyTree) -> tuple[jax.Array, LossOutput]:
            output = objective.loss(Variables(params, state.model_state), frozen, batch, key)
            return output.loss, output

        gradients, output = jax.grad(loss, has_aux=True)(state.params)
        gradients = _in_float32(gradients)  # their norm is a sum of as many squares as there are parameters
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        moved = optax.apply_updates(_in_float32(state.params), updates)
        params = round_like(jax.random.fold_in(key, 0), moved, state.params)
        metrics = {
            **output.metrics,
            "loss": output.loss,
            "gradient_norm": optax.tree.norm(gradients),
            "learning_rate": jnp.asarray(schedule(state.step), jnp.float32),
        }
        new_state = TrainState(
            step=state.step + 1,
            params=params,
            opt_state=opt_state,
            ema_params=_averaged(state, params, config.ema_decay),
            model_state=output.model_state,
            key=state.key,
        )
        return new_state, metrics

    return step


def _in_float32(tree: PyTree) -> PyTree:
    return jax.tree.map(lambda array: array.astype(jnp.float32), tree)


def _averaged(state: TrainState, params: PyTree, decay: float) -> PyTree:
    """Moves the average towards `params`; early steps use a smaller decay, so that it forgets the initial draw."""
    if state.ema_params is None:
        return None
    step = state.step.astype(jnp.float32)
    rate = jnp.minimum(decay, (1.0 + step) / (10.0 + step))
    return jax.tree.map(
        lambda average, new: (rate * average + (1.0 - rate) * new).astype(new.dtype), state.ema_params, params
    )

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.distributed.mesh import MeshConfig, make_mesh
from rsd_jax.training.configuration import TrainingConfig
from rsd_jax.training.objectives.interface import LossOutput, Variables
from rsd_jax.training.train_state import create_train_state, from_checkpoint, to_checkpoint
from rsd_jax.training.train_step import (
    learning_rate_schedule,
    make_optimizer,
    make_stacked_train_step,
    make_train_step,
)


class Slope:
    """Loss ``w * x``: its gradient is the batch itself, whatever `w` is."""

    def init(self, key):
        return Variables({"w": jnp.zeros(())}, {})

    def loss(self, variables, frozen, batch, key):
        loss = variables.params["w"] * batch["x"].sum() * frozen
        return LossOutput(loss, {}, {"noise": jax.random.uniform(key)})


def start(config, make_step=make_train_step):
    mesh = make_mesh(MeshConfig())
    optimizer = make_optimizer(config)
    state, shardings = create_train_state(Slope(), optimizer, config.ema_decay > 0, config.seed, mesh)
    return state, make_step(Slope(), optimizer, config, shardings, mesh)


def test_schedule_rises_linearly_and_falls_to_zero():
    schedule = learning_rate_schedule(TrainingConfig(steps=10, batch_size=1, learning_rate=0.4, warmup_steps=3))
    values = [float(schedule(step)) for step in (0, 1, 2, 3, 10)]
    assert values == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.0])


def test_a_step_moves_against_the_gradient_by_the_learning_rate():
    """Adam's first update has the size of the learning rate, whatever the gradient's."""
    config = TrainingConfig(steps=10, batch_size=1, learning_rate=0.5, gradient_clip=1.0)
    state, step = start(config)
    state, metrics = step(state, 2.0, {"x": jnp.asarray([3.0])})
    assert float(state.params["w"]) == pytest.approx(-0.5, rel=1e-4)
    assert int(state.step) == 1
    assert float(metrics["gradient_norm"]) == 6.0
    assert set(metrics) == {"loss", "gradient_norm", "learning_rate", "noise"}


def test_every_step_draws_new_randomness_from_seed_and_step():
    config = TrainingConfig(steps=10, batch_size=1, learning_rate=0.5)
    draws = []
    for _ in range(2):
        state, step = start(config)
        for _ in range(2):
            state, metrics = step(state, 1.0, {"x": jnp.ones(1)})
            draws.append(float(metrics["noise"]))
    assert draws[:2] == draws[2:]
    assert draws[0] != draws[1]


def test_average_follows_the_parameters_and_is_what_is_evaluated():
    state, step = start(TrainingConfig(steps=10, batch_size=1, learning_rate=0.5, ema_decay=0.9))
    state, _ = step(state, 1.0, {"x": jnp.ones(1)})
    # The first step's decay is min(0.9, 1 / 10): the average takes nine tenths of the step from 0 to -0.5.
    assert float(state.evaluated.params["w"]) == pytest.approx(-0.45, rel=1e-4)
    assert float(state.params["w"]) == pytest.approx(-0.5, rel=1e-4)


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_a_state_survives_its_split_for_the_checkpoint(ema_decay):
    state, step = start(TrainingConfig(steps=10, batch_size=1, learning_rate=0.5, ema_decay=ema_decay))
    state, _ = step(state, 1.0, {"x": jnp.ones(1)})
    back = from_checkpoint(to_checkpoint(state))
    assert jax.tree.structure(back) == jax.tree.structure(state)
    assert all(a is b for a, b in zip(jax.tree.leaves(back), jax.tree.leaves(state), strict=True))


def test_stacked_steps_are_single_steps_one_after_the_other():
    config = TrainingConfig(steps=10, batch_size=1, learning_rate=0.5, warmup_steps=2, ema_decay=0.9)
    numbers = jnp.asarray([[3.0], [-1.0], [2.0]])
    state, step = start(config)
    rows = []
    for number in numbers:
        state, metrics = step(state, 2.0, {"x": number})
        rows.append(metrics)
    stacked_state, stacked_step = start(config, make_stacked_train_step)
    stacked_state, stacked = stacked_step(stacked_state, 2.0, {"x": numbers})
    assert jax.tree.all(jax.tree.map(lambda a, b: bool(jnp.all(a == b)), stacked_state, state))
    assert int(stacked_state.step) == 3
    assert {name: values.tolist() for name, values in stacked.items()} == {
        name: [float(row[name]) for row in rows] for name in rows[0]
    }


@pytest.mark.parametrize(("make_step", "shape"), [(make_train_step, (1,)), (make_stacked_train_step, (4, 1))])
def test_the_given_state_is_donated(make_step, shape):
    state, step = start(TrainingConfig(steps=10, batch_size=1, learning_rate=0.5), make_step)
    step(state, 1.0, {"x": jnp.ones(shape)})
    with pytest.raises(RuntimeError, match="deleted"):
        np.asarray(state.params["w"])

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.distributed.mesh import MeshConfig, make_mesh
from rsd_jax.rfsq import MlpAutoencoder, RepetitionFrame, RfsqTokenizer, make_strategy
from rsd_jax.training.configuration import TrainingConfig
from rsd_jax.training.objectives.action_autoencoding import AUTOENCODER, QUANTIZER, ActionAutoencoding
from rsd_jax.training.train_state import create_train_state
from rsd_jax.training.train_step import make_optimizer, make_train_step

BATCH, FREEZE_AFTER, STEPS = 32, 100, 150
VARIANTS = {
    "layernorm": ({"freeze_after": FREEZE_AFTER}, MlpAutoencoder()),
    "learned_scale": ({}, MlpAutoencoder()),
    "nested": ({}, MlpAutoencoder(has_linear_path=True)),
    "naive": ({}, MlpAutoencoder()),
    "staggered": ({}, RepetitionFrame()),
}


class Trained:
    """A tokenizer trained for some seconds by the real training step."""

    def __init__(self, strategy: str) -> None:
        generator = np.random.default_rng(0)
        self.actions = jnp.asarray(np.tanh(generator.normal(0, 0.5, (BATCH, 8, 7))), jnp.float32)
        self.normalizer = ActionNormalizer.from_actions(np.asarray(self.actions).reshape(-1, 7))
        fields, autoencoder = VARIANTS[strategy]
        self.objective = ActionAutoencoding(autoencoder, make_strategy(strategy, **fields), 8)
        config = TrainingConfig(steps=STEPS, batch_size=BATCH, learning_rate=3e-3, gradient_clip=10.0)
        mesh, optimizer = make_mesh(MeshConfig()), make_optimizer(config)
        state, shardings = create_train_state(self.objective, optimizer, ema=False, seed=0, mesh=mesh)
        step = make_train_step(self.objective, optimizer, config, shardings, mesh)
        self.first, self.states = jax.device_get(state.params), []
        for number in range(STEPS):
            state, metrics = step(state, self.normalizer, {"actions": self.actions})
            if number in (FREEZE_AFTER - 20, FREEZE_AFTER, STEPS - 1):
                self.states.append(jax.device_get(state.model_state))
        self.variables, self.loss = state.evaluated, metrics["loss/reconstruction"]
        self.tokenizer: RfsqTokenizer = self.objective.tokenizer(self.variables, self.normalizer)

    def error(self) -> float:
        decoded = self.tokenizer.detokenize(self.tokenizer.tokenize(self.actions))
        return float(jnp.mean((decoded - self.actions)[..., :6] ** 2))


@pytest.fixture(scope="module")
def trained() -> dict[str, Trained]:
    return {name: Trained(name) for name in VARIANTS}


@pytest.mark.parametrize("variant", VARIANTS)
def test_tokens_decode_to_the_bits_of_the_loss_functions_forward_pass(variant: str, trained) -> None:
    run = trained[variant]

    @jax.jit
    def gradient_step(params, table, normalizer, actions):
        def loss_and_forward(params):
            target = normalizer.normalize(actions)
            output = run.objective.reconstruct(params, table, target)
            return jnp.mean((output.actions - target) ** 2), output

        return jax.value_and_grad(loss_and_forward, has_aux=True)(params)

    (_, output), gradient = gradient_step(
        run.variables.params[AUTOENCODER], run.tokenizer.table, run.normalizer, run.actions
    )
    forward = jax.jit(ActionNormalizer.denormalize)(run.normalizer, output.actions)
    tokens = run.tokenizer.tokenize(run.actions)
    np.testing.assert_array_equal(output.tokens, tokens)
    np.testing.assert_array_equal(forward, run.tokenizer.detokenize(tokens))
    assert all(bool(jnp.any(leaf != 0)) for leaf in jax.tree.leaves(gradient))


@pytest.mark.parametrize("variant", [name for name in VARIANTS if name != "naive"])
def test_training_reaches_the_data_through_tokens_alone(variant: str, trained) -> None:
    assert trained[variant].error() < 0.01
    assert trained[variant].error() < trained["naive"].error()


def test_statistics_become_constants(trained) -> None:
    before, frozen, end = trained["layernorm"].states
    assert not np.array_equal(before.table.step, frozen.table.step)
    np.testing.assert_array_equal(frozen.table.step, end.table.step)
    np.testing.assert_array_equal(frozen.table.offset, end.table.offset)
    assert int(end.strategy.step) == STEPS


def test_learned_steps_learn_in_every_layer(trained) -> None:
    run = trained["learned_scale"]
    first, last = run.first[QUANTIZER]["log_step"], run.variables.params[QUANTIZER]["log_step"]
    assert bool((jnp.abs(last - first).max(axis=1) > 1e-3).all())
    np.testing.assert_array_equal(run.tokenizer.table.step, run.states[-1].table.step)


def test_a_table_without_parameters_stays_as_it_is(trained) -> None:
    run = trained["nested"]
    np.testing.assert_array_equal(run.tokenizer.table.step, run.objective.quantizer.fixed_table().step)

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.distributed.mesh import MeshConfig, make_mesh
from rsd_jax.rfsq import AutoencoderConfig
from rsd_jax.training.configuration import TrainingConfig
from rsd_jax.training.objectives.action_autoencoding import TOKENIZER, ActionAutoencoding, QuantizerConfig
from rsd_jax.training.train_state import create_train_state
from rsd_jax.training.train_step import make_optimizer, make_train_step

BATCH, FREEZE_AFTER, STEPS = 32, 200, 300


class Trained:
    """A tokenizer trained for some seconds by the real training step, with the forward pass that the loss ran."""

    def __init__(self) -> None:
        generator = np.random.default_rng(0)
        self.actions = jnp.asarray(np.tanh(generator.normal(0, 0.5, (BATCH, 8, 7))), jnp.float32)
        self.normalizer = ActionNormalizer.from_actions(np.asarray(self.actions).reshape(-1, 7))
        self.objective = ActionAutoencoding(AutoencoderConfig(), QuantizerConfig(freeze_after=FREEZE_AFTER), 8)
        config = TrainingConfig(steps=STEPS, batch_size=BATCH, learning_rate=3e-3, gradient_clip=10.0)
        mesh, optimizer = make_mesh(MeshConfig()), make_optimizer(config)
        state, shardings = create_train_state(self.objective, optimizer, ema=False, seed=0, mesh=mesh)
        step = make_train_step(self.objective, optimizer, config, shardings, mesh)
        self.states = []
        for number in range(STEPS):
            state, metrics = step(state, self.normalizer, {"actions": self.actions})
            if number in (FREEZE_AFTER - 20, FREEZE_AFTER, STEPS - 1):
                self.states.append(jax.device_get(state.model_state))
        self.variables, self.loss = state.evaluated, metrics["loss/tokenizer"]


@pytest.fixture(scope="module")
def trained() -> Trained:
    return Trained()


def test_tokens_decode_to_the_bits_of_the_loss_functions_forward_pass(trained: Trained) -> None:
    tokenizer = trained.objective.tokenizer(trained.variables, trained.normalizer)

    def forward(params, table, actions):
        return trained.objective.reconstruct(params, table, trained.normalizer.normalize(actions)).actions

    def loss_and_forward(params):
        output = forward(params, tokenizer.table, trained.actions)
        return jnp.mean((output - trained.normalizer.normalize(trained.actions)) ** 2), output

    (_, output), gradient = jax.jit(jax.value_and_grad(loss_and_forward, has_aux=True))(
        trained.variables.params[TOKENIZER]
    )
    decoded = tokenizer.detokenize(tokenizer.tokenize(trained.actions))
    np.testing.assert_array_equal(jax.jit(ActionNormalizer.denormalize)(trained.normalizer, output), decoded)
    assert all(bool(jnp.any(leaf != 0)) for leaf in jax.tree.leaves(gradient))


def test_training_reaches_the_data_through_tokens_alone(trained: Trained) -> None:
    tokenizer = trained.objective.tokenizer(trained.variables, trained.normalizer)
    naive = trained.objective.naive_tokenizer(trained.variables, trained.normalizer)
    error, naive_error = (
        float(jnp.mean((t.detokenize(t.tokenize(trained.actions)) - trained.actions)[..., :6] ** 2))
        for t in (tokenizer, naive)
    )
    assert error < 0.01
    assert error < naive_error


def test_statistics_become_constants(trained: Trained) -> None:
    before, frozen, end = trained.states
    assert not np.array_equal(before.table.step, frozen.table.step)
    np.testing.assert_array_equal(frozen.table.step, end.table.step)
    np.testing.assert_array_equal(frozen.table.offset, end.table.offset)
    assert int(end.step) == STEPS

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.heads.draft_model import DraftConfig, DraftModel
from rsd_jax.heads.main_head import MainHead, MainHeadConfig
from rsd_jax.rfsq import QuantizerTable, make_table, quantize
from rsd_jax.rfsq.strategies import Nested, Staggered
from tests.rsd_jax.random_params import alive, initialised

BATCH, CHUNK, LATENTS, LAYERS, LEVELS, FEATURES = 2, 3, 4, 8, 7, 12
COLUMNS = (BATCH, CHUNK, LATENTS)
START = np.zeros(COLUMNS, np.int32)


@pytest.fixture(scope="module")
def table() -> QuantizerTable:
    step = 0.3 * 0.4 ** jnp.arange(8.0)[:, None] * jnp.ones((LAYERS, LATENTS))
    return make_table(0.01 * step, step, LEVELS)


@pytest.fixture(scope="module")
def features() -> jax.Array:
    return jax.random.normal(jax.random.key(0), (BATCH, CHUNK, FEATURES))


def _tokens(seed: int) -> jax.Array:
    return jax.random.randint(jax.random.key(seed), (*COLUMNS, LAYERS), 0, LEVELS)


@pytest.fixture(scope="module")
def main(table, features):
    model = MainHead(MainHeadConfig(LAYERS, LATENTS, LEVELS, width=16, depth=1, column_features=4))
    params = initialised(model.init, 1, features, table, _tokens(0), START, num_layers=1)["params"]
    return partial(jax.jit(model.apply, static_argnums=5), {"params": alive(params, 2)})


@pytest.fixture(scope="module")
def draft(table, features):
    model = DraftModel(DraftConfig(LAYERS, LATENTS, LEVELS, draft_layers=3, width=16, depth=1))
    params = initialised(model.init, 1, features, table, _tokens(0), START)["params"]
    return partial(jax.jit(model.apply), {"params": alive(params, 3)})


def test_main_head_scores_a_layer_given_strictly_coarser_digits_of_its_own_column(main, table, features) -> None:
    start, tokens = jnp.zeros(COLUMNS, jnp.int32), _tokens(1)
    before = main(features, table, tokens, start, LAYERS)
    assert before.shape == (*COLUMNS, LAYERS, LEVELS)
    layer, column = 3, (0, 1, 2)
    after = main(
        features, table, tokens.at[(*column, layer)].set((tokens[(*column, layer)] + 2) % LEVELS), start, LAYERS
    )
    changed = np.asarray(jnp.any(before != after, axis=-1))
    expected = np.zeros_like(changed)
    expected[(*column, slice(layer + 1, None))] = True
    np.testing.assert_array_equal(changed, expected)


def test_main_head_scores_the_same_from_any_position(main, table, features) -> None:
    tokens = _tokens(2)
    everything = main(features, table, tokens, jnp.zeros(COLUMNS, jnp.int32), LAYERS)
    position = jax.random.randint(jax.random.key(5), COLUMNS, 0, LAYERS - 2)
    part = main(features, table, tokens, position, 3)
    for offset in range(3):
        index = (position + offset)[..., None, None]
        expected = jnp.take_along_axis(everything, index, axis=-2)[..., 0, :]
        np.testing.assert_allclose(part[..., offset, :], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("first", [0, 6])
def test_layers_known_while_tracing_are_scored_and_proposed_alike(main, draft, table, features, first) -> None:
    """By slices instead of picks: the same numbers but for the order of sums, from the same estimates."""
    tokens, own = _tokens(2), jnp.full(COLUMNS, first, jnp.int32)
    (main_variables,), (draft_variables,) = main.args, draft.args
    main_model, draft_model = main.func.__wrapped__.__self__, draft.func.__wrapped__.__self__

    @jax.jit
    def columns_and_latents():
        columns = main_model.apply(main_variables, features, method="contextualise")
        return columns, draft_model.apply(draft_variables, features, method="estimate")

    @jax.jit
    def scores(columns, latents, position):
        given = table, tokens, first if position is None else position
        counts = (1, LAYERS)
        found = [main_model.apply(main_variables, columns, *given, count, method="score") for count in counts]
        return [*found, draft_model.apply(draft_variables, latents, *given, method="propose")]

    estimates = columns_and_latents()
    for known, picked in zip(scores(*estimates, None), scores(*estimates, own), strict=True):
        assert known.shape == picked.shape
        np.testing.assert_allclose(known, picked, rtol=2e-6, atol=2e-6)
        np.testing.assert_array_equal(jnp.argmax(known, axis=-1), jnp.argmax(picked, axis=-1))


def test_draft_reads_accepted_digits_only(draft, table, features) -> None:
    position = jax.random.randint(jax.random.key(6), COLUMNS, 0, LAYERS)
    accepted = jnp.arange(LAYERS) < position[..., None]
    one, other = _tokens(3), _tokens(4)
    before = draft(features, table, one, position)
    assert before.shape == (*COLUMNS, LAYERS, LEVELS)
    np.testing.assert_array_equal(before, draft(features, table, jnp.where(accepted, one, other), position))
    different = draft(features, table, jnp.where(accepted, other, one), position)
    assert bool(jnp.any(before != different, where=~accepted[..., None]))


def test_a_draft_that_knows_the_latents_proposes_their_tokens(table) -> None:
    latents = jax.random.uniform(jax.random.key(7), COLUMNS, minval=-0.8, maxval=0.8)
    tokens = quantize(table, latents)
    model = DraftModel(DraftConfig(LAYERS, LATENTS, LEVELS, draft_layers=3))
    digits = {
        "log_spread": jnp.zeros(LATENTS),
        "log_factor": jnp.zeros((LATENTS, LAYERS)),
        "prior": jnp.zeros((LATENTS, LAYERS, LEVELS)),
    }
    propose = jax.jit(partial(model.apply, method="propose"))
    for start in (0, 2, 5):
        position = jnp.full(COLUMNS, start)
        logits = propose({"params": {"digit_logits": digits}}, latents, table, tokens, position)
        np.testing.assert_array_equal(jnp.argmax(logits, axis=-1)[..., start:], tokens[..., start:])


@pytest.mark.parametrize("strategy", [Nested(), Staggered()])
def test_a_draft_names_the_digits_of_its_estimate_and_only_ones_that_exist(strategy, features) -> None:
    table, columns = strategy.fixed_table(), (BATCH, CHUNK, strategy.latent_dim)
    model = DraftModel(DraftConfig(LAYERS, strategy.latent_dim, LEVELS, draft_layers=3, width=16, depth=1))
    latents = jax.random.uniform(jax.random.key(4), columns, minval=-1.0)
    tokens = quantize(table, latents)
    params = initialised(model.init, 1, features, table, tokens, np.zeros(columns, np.int32))["params"]
    propose = jax.jit(partial(model.apply, method="propose"))
    for start in (0, 3, 5):
        position = jnp.full(columns, start, jnp.int32)
        named = jnp.argmax(propose({"params": params}, latents, table, tokens, position), axis=-1)
        np.testing.assert_array_equal(named[..., start:], tokens[..., start:])  # no prior yet: the nearest level
        wild = {"params": alive(params, 5)}
        wild["params"]["digit_logits"]["prior"] *= 100
        named = np.asarray(jnp.argmax(propose(wild, latents, table, tokens, position), axis=-1))
        for layer in range(start, LAYERS):
            exists = np.asarray(table.levels_exist)[layer]
            assert exists[np.arange(strategy.latent_dim), named[..., layer]].all()

"""The real heads under the real decoders: speculation changes no token."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eval_bridge.policies.compiled_policy import LoadedModels
from eval_bridge.policies.decoder_models import ModelArrays, Models, Networks
from eval_bridge.policies.decoders import Certified, FixedPoint, SpeculativeGreedy
from eval_bridge.policies.losslessness import (
    Decoded,
    Differences,
    check_against_autoregressive,
    decode_all,
    require_column_local,
)
from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.heads.draft_model import DraftConfig, DraftModel
from rsd_jax.heads.main_head import MainHead, MainHeadConfig
from rsd_jax.rfsq import RfsqTokenizer, make_table
from rsd_jax.rfsq.autoencoders import RepetitionFrame
from tests.rsd_jax.random_params import alive, initialised

BATCH, CHUNK, LATENTS, LAYERS, FEATURES = 8, 4, 16, 5, 24


class ColumnMixingHead(MainHead):
    """A main head that is moved by the digits of all columns, and says that it is not."""

    def score(self, columns, table, tokens, position, num_layers):
        logits = super().score(columns, table, tokens, position, num_layers)
        return logits + tokens[..., 0].sum(axis=(1, 2), keepdims=True)[..., None, None] * jnp.arange(7.0)


class HonestMixingHead(ColumnMixingHead):
    """The same, but it says so."""

    column_local = False


@pytest.fixture(scope="module")
def models() -> LoadedModels:
    """Random models."""
    sizes = {"num_layers": LAYERS, "latent_dim": LATENTS, "width": 16, "depth": 1}
    draft, main = DraftModel(DraftConfig(**sizes)), MainHead(MainHeadConfig(**sizes, column_features=4))
    step = 0.3 * 0.4 ** jnp.arange(float(LAYERS))[:, None] * jnp.ones((LAYERS, LATENTS))
    table = make_table(0.01 * step, step, 7)
    tokens = np.zeros((1, CHUNK, LATENTS, LAYERS), np.int32)
    arguments = (jnp.zeros((1, CHUNK, FEATURES)), table, tokens, tokens[..., 0])
    normalizer = ActionNormalizer(jnp.zeros(7), jnp.ones(7))
    tokenizer = RfsqTokenizer({}, table, normalizer, RepetitionFrame(), CHUNK)
    arrays = ModelArrays(
        policy=None,
        tokenizer=tokenizer,
        informative=table.informative,
        draft=alive(initialised(draft.init, 1, *arguments)["params"], 2),
        main=alive(initialised(main.init, 3, *arguments, num_layers=1)["params"], 4),
    )
    return LoadedModels(Networks(None, draft, main), arrays)


@pytest.fixture(scope="module")
def features() -> jax.Array:
    return jax.random.normal(jax.random.key(0), (BATCH, CHUNK, FEATURES))


@pytest.fixture(scope="module")
def speculative(models: LoadedModels, features: jax.Array) -> tuple[Differences, Decoded]:
    """How speculative decoding differs from autoregressive decoding, and what it finds."""
    return check_against_autoregressive(SpeculativeGreedy(), models, features, BATCH)


def test_tokens_of_real_heads_are_equal_to_the_last_one(speculative: tuple[Differences, Decoded]) -> None:
    differences, found = speculative
    assert differences == Differences(BATCH, found.tokens.size, 0, 0, None)
    assert len(np.unique(found.tokens)) == 7
    assert found.rounds.max() <= LAYERS
    assert 0 < found.accepted < found.proposed


def test_how_many_layers_are_drafted_changes_the_rounds_alone(
    models: LoadedModels, features: jax.Array, speculative: tuple[Differences, Decoded]
) -> None:
    """One at a time, a round decodes two layers at most."""
    found = [decode_all(SpeculativeGreedy(draft_layers=layers), models, features, BATCH) for layers in (1, LAYERS)]
    for each in found:
        np.testing.assert_array_equal(each.tokens, speculative[1].tokens)
    assert found[0].rounds.min() >= LAYERS // 2
    assert (found[1].rounds <= found[0].rounds).all()
    assert found[1].proposed > found[0].proposed
    with pytest.raises(ValueError, match=rf"draft_layers is 9; it must be between 0 and num_layers = {LAYERS}"):
        decode_all(SpeculativeGreedy(draft_layers=9), models, features, BATCH)


def test_decoding_by_fixed_point_finds_them_too_and_needs_no_draft(
    models: LoadedModels, features: jax.Array, speculative: tuple[Differences, Decoded]
) -> None:
    without = LoadedModels(Networks(None, None, models.networks.main), replace(models.arrays, draft=None))
    found = decode_all(FixedPoint(), without, features, BATCH)
    np.testing.assert_array_equal(found.tokens, speculative[1].tokens)
    assert found.rounds.max() < LAYERS
    assert found.proposed == 0


def test_certified_actions_lie_within_the_tolerance_and_are_decoded_from_fewer_layers(
    models: LoadedModels, features: jax.Array, speculative: tuple[Differences, Decoded]
) -> None:
    epsilon, exact = 0.3, speculative[1]

    @jax.jit
    def act(arrays: ModelArrays, exact_tokens: jax.Array) -> tuple[jax.Array, ...]:
        bound, decoder = Models(models.networks, arrays), Certified(epsilon)
        found = decoder.find_tokens(bound, features)
        return decoder.actions(bound, found), bound.detokenize(exact_tokens), found.rounds

    actions, greedy, rounds = (np.asarray(each) for each in act(models.arrays, exact.tokens))
    assert 0 < np.abs(actions - greedy)[..., :-1].max() <= epsilon
    np.testing.assert_array_equal(actions[..., -1], greedy[..., -1])
    assert rounds.sum() <= exact.rounds.sum()


def test_a_head_that_sees_other_columns_is_found_whatever_it_declares(
    models: LoadedModels, features: jax.Array
) -> None:
    def with_head(head: type[MainHead]) -> LoadedModels:
        return models._replace(networks=replace(models.networks, main=head(models.networks.main.config)))

    mixing, honest = with_head(ColumnMixingHead), with_head(HonestMixingHead)
    with pytest.raises(ValueError, match=r"ColumnMixingHead declares column_local, but the logits of a column change"):
        check_against_autoregressive(SpeculativeGreedy(), mixing, features, BATCH)
    require_column_local(honest, features)
    with pytest.raises(ValueError, match="main does not declare that it is column_local"):
        decode_all(SpeculativeGreedy(), honest, features, BATCH)

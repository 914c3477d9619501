"""The speculative decoder returns the autoregressive decoder's tokens for any draft, and counts as defined."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rsd_jax.decoding import (
    CodeShape,
    DecodeResult,
    DraftFn,
    GivenTokens,
    MainFn,
    autoregressive,
    column_local,
    speculative_greedy,
)
from rsd_jax.decoding.acceptance import count_acceptance
from tests.rsd_jax.decoding.drafts import IGNORANT_DRAFTS, LEVELS, oracle_draft, random_draft
from tests.rsd_jax.decoding.networks import random_network

BATCH = 3


class WalkedCounts(NamedTuple):
    rounds: list[int]
    accepted: np.ndarray
    proposed: np.ndarray
    first_run: list[int]


def walk_columns(is_right: np.ndarray, informative: np.ndarray, draft_layers: int) -> WalkedCounts:
    """Plain-Python reference: each column on its own, given where the draft is right."""
    batch, _, latent_dim, num_layers = is_right.shape
    accepted, proposed = (np.zeros((batch, num_layers, latent_dim), int) for _ in range(2))
    most_rounds, first_run = [0] * batch, [draft_layers] * batch
    for b, c, d in np.ndindex(is_right.shape[:3]):
        position = rounds = 0
        while position < num_layers:
            drafted = range(position, min(position + draft_layers, num_layers))
            run = 0
            while run < len(drafted) and is_right[b, c, d, position + run]:
                run += 1
            for layer in drafted:
                proposed[b, layer, d] += informative[layer, d]
                accepted[b, layer, d] += informative[layer, d] and layer < position + run
            first_run[b] = min(first_run[b], run) if rounds == 0 else first_run[b]
            position += run + 1
            rounds += 1
        most_rounds[b] = max(most_rounds[b], rounds)
    return WalkedCounts(most_rounds, accepted, proposed, first_run)


@pytest.mark.parametrize("draft_layers", [3, 8])  # and 1 and 2 below
def test_equals_autoregressive_token_for_token(
    draft_layers: int,
    code_shape: Callable[[int], CodeShape],
    random_features: Callable[[int, int], jax.Array],
    random_main: Callable[[int], MainFn],
) -> None:
    shape = code_shape(draft_layers)

    @jax.jit
    def decode(features: jax.Array, seed: jax.Array, is_right: jax.Array) -> tuple[DecodeResult, ...]:
        """By the reference, with every draft that knows nothing, and with one that is right where `is_right`."""
        main = random_main(seed)
        reference = autoregressive(features, main, shape, BATCH)
        drafts = [*IGNORANT_DRAFTS, oracle_draft(reference.tokens, is_right)]
        decode_by = partial(speculative_greedy, features, main=main, shape=shape, batch_size=BATCH)
        found = [decode_by(draft, unrolled_passes=0) for draft in drafts]
        if draft_layers == 3:
            oracle = drafts[-1]
            found.append(decode_by(oracle, unrolled_passes=1, scores_all_layers=False))
            found.append(decode_by(oracle, unrolled_passes=2))
        return reference, *found

    digits = (BATCH, shape.chunk_length, shape.latent_dim, shape.num_layers)
    fewest_rounds = -(-shape.num_layers // (draft_layers + 1))
    for seed in range(4):
        where_right = {
            "always": np.ones(digits, bool),
            "never": np.zeros(digits, bool),
            "at layer 2": np.broadcast_to(np.arange(shape.num_layers) == 2, digits),
            "at random": np.random.default_rng(seed).random(digits) < 0.7,
        }
        for name, is_right in where_right.items():
            reference, *results = decode(random_features(seed, BATCH), jnp.int32(seed), is_right)
            for result in results:
                assert_lossless(reference, result, shape)
            for result in results[4:]:  # written out or in a loop, all layers scored or those at hand: one decoding
                chex.assert_trees_all_equal(result, results[3])
            if name == "always":
                assert results[3].rounds.tolist() == [fewest_rounds] * BATCH
            if name == "never":
                assert results[3].rounds.tolist() == [shape.num_layers] * BATCH
                assert not results[3].acceptance.accepted.any()


def assert_lossless(reference: DecodeResult, result: DecodeResult, shape: CodeShape) -> None:
    np.testing.assert_array_equal(result.tokens, reference.tokens)
    assert result.tokens.dtype == jnp.int32
    assert int(result.rounds.min()) >= -(-shape.num_layers // (shape.draft_layers + 1))
    assert int(result.rounds.max()) <= shape.num_layers
    assert (np.asarray(result.acceptance.accepted) <= np.asarray(result.acceptance.proposed)).all()


SIZES = [(1, 1, 2, 2, 2), (5, 1, 2, 3, 5), (6, 2, 1, 4, 3)]


@pytest.mark.parametrize(("layers", "draft_layers", "chunk", "latents", "levels"), SIZES)
def test_equals_autoregressive_for_codes_of_any_size(
    layers: int, draft_layers: int, chunk: int, latents: int, levels: int
) -> None:
    shape = CodeShape(chunk, latents, layers, draft_layers, jnp.ones((layers, latents), bool))

    def guessing(target: jax.Array, errors: jax.Array) -> DraftFn:
        """Proposes the target's tokens but for these errors, which may lie outside of the alphabet's reach."""

        def draft(features: jax.Array, tokens: jax.Array, position: jax.Array | int) -> jax.Array:
            return jax.nn.one_hot((target + errors) % levels, levels)

        return draft

    @jax.jit
    def decode(seed: jax.Array, errors: jax.Array) -> tuple[DecodeResult, DecodeResult]:
        main, features = random_network(seed, layers, chunk, latents, levels, BATCH)
        reference = autoregressive(features, main, shape, BATCH)
        draft = guessing(reference.tokens, errors)
        return reference, speculative_greedy(features, draft, main, shape, BATCH)

    generator = np.random.default_rng(layers)
    for seed in range(5):
        errors = generator.integers(0, levels, (BATCH, chunk, latents, layers)) * (generator.random(layers) < 0.4)
        reference, result = decode(jnp.int32(seed), jnp.asarray(errors, jnp.int32))
        assert_lossless(reference, result, shape)


@settings(max_examples=40, deadline=None)
@given(is_right=hnp.arrays(bool, (2, 2, 3, 8)), draft_layers=st.sampled_from([1, 3]))
def test_rounds_and_counts_equal_a_walk_over_the_columns(is_right: np.ndarray, draft_layers: int) -> None:
    informative = np.ones((8, 3), bool)
    informative[5, 0] = False
    result = _decode_with_fixed_target(jnp.asarray(is_right), jnp.asarray(informative), draft_layers)
    expected = walk_columns(is_right, informative, draft_layers)
    np.testing.assert_array_equal(result.tokens, _fixed_target(is_right.shape))
    assert result.rounds.tolist() == expected.rounds
    np.testing.assert_array_equal(result.acceptance.accepted, expected.accepted)
    np.testing.assert_array_equal(result.acceptance.proposed, expected.proposed)
    np.testing.assert_array_equal(result.acceptance.first_run, np.eye(draft_layers + 1)[expected.first_run])


def test_counts_of_a_whole_decoding_by_hand() -> None:
    # One column, L = 8, K = 3, the draft is wrong at layers 1 and 6 only:
    #   round 1 from layer 0 drafts 0 1 2: accepts 0, layer 1 is the target's        -> position 2
    #   round 2 from layer 2 drafts 2 3 4: accepts all, layer 5 is the target's      -> position 6
    #   round 3 from layer 6 drafts 6 7:   accepts none, layer 6 is the target's     -> position 7
    #   round 4 from layer 7 drafts 7:     accepts it                                -> finished
    is_right = np.array([True, False, True, True, True, True, False, True]).reshape(1, 1, 1, 8)
    result = _decode_with_fixed_target(jnp.asarray(is_right), jnp.ones((8, 1), bool), draft_layers=3)
    assert result.rounds.tolist() == [4]
    assert result.acceptance.accepted[..., 0].tolist() == [[1, 0, 1, 1, 1, 0, 0, 1]]
    assert result.acceptance.proposed[..., 0].tolist() == [[1, 1, 2, 1, 1, 0, 1, 2]]
    assert result.acceptance.first_run.tolist() == [[0, 1, 0, 0]]
    # Four proposals, of which 1 + 3 + 0 + 1 layers were accepted: 9/4 layers a round, of which the last had only one.
    assert (result.trace.drafts.tolist(), result.trace.kept.tolist()) == ([4], [5])
    assert float(result.trace.mean_acceptance_length()) == 1 + 5 / 4
    assert result.depth.tolist() == [[[8]]]
    assert not result.trace.skipped.any()


def test_replaced_tokens_are_not_counted_as_accepted() -> None:
    # K = 3 and nothing accepted: layer l is proposed from layers l - 2, l - 1 and l.
    never = jnp.zeros((1, 1, 1, 8), bool)
    result = _decode_with_fixed_target(never, jnp.ones((8, 1), bool), draft_layers=3)
    assert result.acceptance.accepted[..., 0].tolist() == [[0] * 8]
    assert result.acceptance.proposed[..., 0].tolist() == [[1, 2, 3, 3, 3, 3, 3, 3]]
    assert result.acceptance.first_run.tolist() == [[1, 0, 0, 0]]


@pytest.mark.parametrize("seed", [0, 1])
def test_given_digits_are_neither_drafted_nor_changed(
    code_shape: Callable[[int], CodeShape],
    random_features: Callable[[int, int], jax.Array],
    random_main: Callable[[int], MainFn],
    seed: int,
) -> None:
    features, main, shape = random_features(seed, BATCH), random_main(seed), code_shape(3)
    columns = (BATCH, shape.chunk_length, shape.latent_dim)
    generator = np.random.default_rng(seed)
    depth = generator.integers(0, shape.num_layers + 1, columns)
    told = generator.integers(0, LEVELS, (*columns, shape.num_layers))
    given = GivenTokens(jnp.asarray(told, jnp.int32), jnp.asarray(depth, jnp.int32))
    reference = autoregressive(features, main, shape, BATCH, given, unrolled=False)
    result = jax.jit(lambda: speculative_greedy(features, random_draft(seed), main, shape, BATCH, given))()
    np.testing.assert_array_equal(result.tokens, reference.tokens)
    is_given = np.arange(shape.num_layers) < depth[..., None]
    np.testing.assert_array_equal(np.asarray(result.tokens)[is_given], told[is_given])
    proposed = np.asarray(result.acceptance.proposed)  # [B, L, D]
    assert (proposed[~(~is_given).any(axis=1).swapaxes(1, 2)] == 0).all()
    assert proposed.sum() > 0


def test_compiles_once_and_equals_eager(
    code_shape: Callable[[int], CodeShape],
    random_features: Callable[[int, int], jax.Array],
    random_main: Callable[[int], MainFn],
) -> None:
    main, shape = random_main(0), code_shape(3)

    def decode(features: jax.Array) -> DecodeResult:
        return speculative_greedy(features, random_draft(5), main, shape, BATCH, unrolled_passes=0)

    compiled = jax.jit(chex.assert_max_traces(decode, n=1))
    compiled(random_features(0, BATCH))
    eager = decode(random_features(1, BATCH))
    chex.assert_trees_all_equal(compiled(random_features(1, BATCH)), eager)


@pytest.mark.parametrize(("unrolled_passes", "loops_expected"), [(0, 1), (8, 0)])
def test_models_run_once_a_round_and_what_is_not_written_out_in_one_loop(
    code_shape: Callable[[int], CodeShape],
    random_features: Callable[[int, int], jax.Array],
    random_main: Callable[[int], MainFn],
    unrolled_passes: int,
    loops_expected: int,
) -> None:
    main, shape = random_main(0), code_shape(3)
    calls: list[str] = []

    def draft_calls(features: jax.Array, tokens: jax.Array, position: jax.Array | int) -> jax.Array:
        jax.debug.callback(lambda: calls.append("draft"))
        return random_draft(5)(features, tokens, position)

    @column_local
    def main_calls(features: jax.Array, tokens: jax.Array, position: jax.Array | int, *, num_layers: int) -> jax.Array:
        jax.debug.callback(lambda: calls.append("main"))
        return main(features, tokens, position, num_layers=num_layers)

    def decode(features: jax.Array) -> DecodeResult:
        return speculative_greedy(features, draft_calls, main_calls, shape, BATCH, None, unrolled_passes)

    result = jax.jit(decode)(random_features(0, BATCH))
    jax.effects_barrier()
    assert calls.count("draft") == calls.count("main") == max(unrolled_passes, int(result.rounds.max()))
    primitives = [str(eqn.primitive) for eqn in jax.make_jaxpr(decode)(random_features(0, BATCH)).eqns]
    assert primitives.count("while") == loops_expected


def _fixed_target(shape: tuple[int, ...]) -> jax.Array:
    """Tokens 0 1 2 ... modulo the levels, so that every digit differs from its neighbours."""
    return jnp.arange(np.prod(shape), dtype=jnp.int32).reshape(shape) % LEVELS


@partial(jax.jit, static_argnames="draft_layers")
def _decode_with_fixed_target(is_right: jax.Array, informative: jax.Array, draft_layers: int) -> DecodeResult:
    """Decodes with a main head that always chooses `_fixed_target`, and a draft that is right where `is_right`."""
    target = _fixed_target(is_right.shape)
    _, chunk_length, latent_dim, num_layers = is_right.shape
    shape = CodeShape(chunk_length, latent_dim, num_layers, draft_layers, informative)

    @column_local
    def main(features: jax.Array, tokens: jax.Array, position: jax.Array | int, *, num_layers: int) -> jax.Array:
        return oracle_draft(target, jnp.ones_like(target, bool))(features, tokens, position)

    draft = oracle_draft(target, is_right)
    return speculative_greedy(None, draft, main, shape, is_right.shape[0])


def test_a_draft_that_leaves_out_layers_is_refused(
    code_shape: Callable[[int], CodeShape],
    random_features: Callable[[int, int], jax.Array],
    random_main: Callable[[int], MainFn],
) -> None:
    def short(features: jax.Array, tokens: jax.Array, position: jax.Array | int) -> jax.Array:
        return jax.nn.one_hot(tokens[..., :3], LEVELS)

    with pytest.raises(ValueError, match=r"draft returned logits of shape .*; it must return those of all 8 layers"):
        speculative_greedy(random_features(0, 1), short, random_main(0), code_shape(3), 1)


@pytest.mark.parametrize("draft_layers", [-1, 9])
def test_a_draft_of_layers_that_do_not_exist_is_refused(
    draft_layers: int,
    code_shape: Callable[[int], CodeShape],
    random_features: Callable[[int, int], jax.Array],
    random_main: Callable[[int], MainFn],
) -> None:
    features, main, shape = random_features(0, 1), random_main(0), code_shape(draft_layers)
    message = f"draft_layers is {draft_layers}; it must be between 0 and num_layers = 8"
    with pytest.raises(ValueError, match=message):
        speculative_greedy(features, random_draft(0), main, shape, 1)
    with pytest.raises(ValueError, match=message):
        autoregressive(features, main, shape, 1)
    position = jnp.zeros((1, 2, 3), jnp.int32)
    with pytest.raises(ValueError, match=message):
        count_acceptance(position, position, draft_layers, shape.informative)
    with pytest.raises(ValueError, match=r"informative has shape \(3, 8\); it must be \[L, D\] = \[8, 3\]"):
        autoregressive(features, main, code_shape(3)._replace(informative=shape.informative.T), 1)

"""Decoding through the language model: speculation in the prefill finds the tokens of layer-by-layer decoding."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.backbones.openvla.backbone import NetworkInputs
from rsd_jax.backbones.openvla.configuration import TINY, LanguageSizes, OpenVlaSizes
from rsd_jax.backbones.openvla.digit_network import DigitMain, DigitNetwork
from rsd_jax.backbones.openvla.digit_slots import DigitCode
from rsd_jax.backbones.openvla.network import OpenVlaNetwork
from rsd_jax.backbones.openvla.token_sequence import EMPTY, PADDING
from rsd_jax.decoding import (
    CachingMainFn,
    CodeShape,
    DecodeResult,
    LosslessSampling,
    autoregressive,
    fixed_point,
    speculative,
    speculative_greedy,
)
from tests.rsd_jax.decoding.drafts import IGNORANT_DRAFTS, LEVELS, oracle_draft
from tests.rsd_jax.random_params import random_params

SIZES = OpenVlaSizes(
    replace(TINY.dinov2, depth=2),
    replace(TINY.siglip, depth=2),
    LanguageSizes(width=32, depth=2, heads=2, mlp_features=48, vocabulary=PADDING + 64),
)
CHUNK, DIMENSIONS = 2, (0, 0, 1, 2)
PROMPTS = np.array([[1, 11, 12, 13, EMPTY], [1, 21, EMPTY, PADDING, PADDING], [1, 31, 32, EMPTY, PADDING]], np.int32)


def digit_main(layers: int, is_mode_locked: bool = False, is_causal: bool = False) -> tuple[DigitMain, NetworkInputs]:
    """A small random network, and inputs of three rows whose prompts have different lengths."""
    code = DigitCode(CHUNK, layers, LEVELS, DIMENSIONS, is_mode_locked)
    network = DigitNetwork(OpenVlaNetwork(SIZES, code.slots, is_causal), code)
    rng = np.random.default_rng(layers)
    frames = rng.integers(0, 256, (3, 1, 28, 28, 3), np.uint8)
    inputs = NetworkInputs(frames, rng.standard_normal((3, 4), np.float32), PROMPTS)
    tokens = jnp.zeros((3, CHUNK, len(DIMENSIONS), layers), jnp.int32)
    params = random_params(partial(network.init, num_layers=1, method="prefill"), 0, *inputs, tokens)
    return DigitMain(network, jax.tree.map(jnp.asarray, params["params"])), inputs


def rows(inputs: NetworkInputs, batch_size: int) -> NetworkInputs:
    return jax.tree.map(lambda array: array[:batch_size], inputs)


def code_shape(layers: int, draft_layers: int) -> CodeShape:
    return CodeShape(CHUNK, len(DIMENSIONS), layers, draft_layers, jnp.ones((layers, len(DIMENSIONS)), bool))


def random_tokens(layers: int, seed: int) -> jax.Array:
    return jax.random.randint(jax.random.key(seed), (3, CHUNK, len(DIMENSIONS), layers), 0, LEVELS, jnp.int32)


SETTINGS = [(2, 2, 1, False), (3, 1, 2, False), (5, 2, 3, False), (4, 2, 3, True)]


@pytest.mark.parametrize(("layers", "draft_layers", "batch", "is_mode_locked"), SETTINGS)
def test_speculation_in_the_prefill_finds_the_tokens_of_layer_by_layer(layers, draft_layers, batch, is_mode_locked):
    main, inputs = digit_main(layers, is_mode_locked)
    shape = code_shape(layers, draft_layers)

    @jax.jit
    def references(inputs: NetworkInputs) -> tuple[DecodeResult, DecodeResult]:
        layer_by_layer = autoregressive(inputs, main, shape, batch)
        return layer_by_layer, fixed_point(inputs, main, shape, batch, unrolled_passes=1)

    @jax.jit
    def speculate(inputs: NetworkInputs, target: jax.Array, is_right: jax.Array, which: jax.Array) -> DecodeResult:
        """By a draft that is right where `is_right`, or by one that knows nothing."""
        drafts = [oracle_draft(target, is_right), *IGNORANT_DRAFTS]

        def draft(features: NetworkInputs, tokens: jax.Array, position: jax.Array | int) -> jax.Array:
            return jnp.stack([each(features, tokens, position) for each in drafts])[which]

        return speculative_greedy(inputs, draft, main, shape, batch, scores_all_layers=False)

    reference, settled = references(rows(inputs, batch))
    np.testing.assert_array_equal(settled.tokens, reference.tokens)
    digits, rng = reference.tokens.shape, np.random.default_rng(0)
    for share in (0.0, 0.5, 0.8, 1.0):
        is_right = rng.random(digits) < share
        result = speculate(rows(inputs, batch), reference.tokens, is_right, 0)
        np.testing.assert_array_equal(result.tokens, reference.tokens)
        if share in (0.0, 1.0):
            rounds = layers if share == 0.0 else -(-layers // (draft_layers + 1))
            assert result.rounds.tolist() == [rounds] * batch
    for which in range(1, 1 + len(IGNORANT_DRAFTS)):
        result = speculate(rows(inputs, batch), reference.tokens, is_right, which)
        np.testing.assert_array_equal(result.tokens, reference.tokens)
    assert len(np.unique(reference.tokens)) > 3  # not one answer to everything


def test_one_loop_finds_the_tokens_of_passes_written_out():
    main, inputs = digit_main(3)
    decode = jax.jit(
        partial(autoregressive, main=main, shape=code_shape(3, 0), batch_size=3), static_argnames="unrolled"
    )
    np.testing.assert_array_equal(decode(inputs, unrolled=False).tokens, decode(inputs, unrolled=True).tokens)


@pytest.mark.parametrize("is_causal", [False, True])
def test_what_is_kept_of_the_context_is_bit_for_bit_the_same_whatever_was_drafted(is_causal):
    main, inputs = digit_main(4, is_causal=is_causal)
    prefill = jax.jit(partial(main, inputs, None, position=0, num_layers=4))
    (logits, cache), (other_logits, other_cache) = (prefill(tokens=random_tokens(4, seed)) for seed in (1, 2))
    context = cache.blocks[0].keys.shape[1] - 4 * main.network.code.slots
    for made, other in zip(jax.tree.leaves(cache.blocks), jax.tree.leaves(other_cache.blocks), strict=True):
        np.testing.assert_array_equal(made[:, :context], other[:, :context])
        assert np.any(made[:, context:] != other[:, context:])
    assert np.any(logits[..., 1:, :] != other_logits[..., 1:, :])  # the draft is read
    np.testing.assert_array_equal(logits[..., 0, :], other_logits[..., 0, :])  # but not by the first layer


def test_under_oft_s_own_mask_the_context_would_depend_on_the_draft():
    """Why slots are not attended to: all see all there, and no cache would serve another draft."""
    main, inputs = digit_main(2)
    network, code = main.network.network, main.network.code

    @jax.jit
    def context_keys(tokens: jax.Array) -> jax.Array:
        bound = main.network.bind({"params": main.params})
        sequence = bound.network.enter(*inputs, slots=0)
        slots = bound.digit_slots.enter(tokens, code.layers_of_slots(0, 2, 3))
        together = jnp.concatenate([sequence.tokens, slots], axis=1)
        _, made = bound.network.language_model.run_blocks(together, 0, network.sizes.language.depth)
        return made[-1].keys[:, : sequence.tokens.shape[1]]

    assert np.any(context_keys(random_tokens(2, 1)) != context_keys(random_tokens(2, 2)))


@pytest.mark.parametrize("is_mode_locked", [False, True])
def test_short_passes_score_what_a_prefill_of_the_same_digits_does(is_mode_locked):
    """Columns at positions of their own, behind digits that a first pass has seen, and others that it has not."""
    layers = 4
    main, inputs = digit_main(layers, is_mode_locked)
    drafted, tokens = random_tokens(layers, 1), random_tokens(layers, 2)
    position = jnp.full((3, CHUNK, len(DIMENSIONS)), 2)
    if not is_mode_locked:
        position = position.at[:, 0].set(1).at[:, 1, 3].set(4)  # the last is finished
    is_decided = jnp.arange(layers) < position[..., None]
    first, later = jnp.where(is_decided, tokens, drafted), tokens

    @jax.jit
    def scores(first: jax.Array, later: jax.Array) -> tuple[jax.Array, ...]:
        whole, _ = main(inputs, None, later, 0, num_layers=layers)
        _, cache = main(inputs, None, first, 0, num_layers=3)
        further, cache = main(inputs, cache, later, position, num_layers=2)
        again, _ = main(inputs, cache, later, 0, num_layers=layers)
        return whole, further, again

    whole, further, again = scores(first, later)
    np.testing.assert_allclose(again, whole, rtol=1e-4, atol=1e-4)
    at = position[..., None] + jnp.arange(2)
    expected = jnp.take_along_axis(whole, jnp.minimum(at, layers - 1)[..., None], axis=3)
    np.testing.assert_allclose(*(np.asarray(each)[at < layers] for each in (further, expected)), rtol=1e-4, atol=1e-4)


def test_a_column_s_logits_depend_on_the_digits_of_its_own_slots_alone():
    main, inputs = digit_main(3)
    tokens = random_tokens(3, 1)
    prefill = jax.jit(partial(main, inputs, None, position=0, num_layers=3))
    logits, _ = prefill(tokens=tokens)
    other_logits, _ = prefill(tokens=tokens.at[:, 0, 0, 0].set((tokens[:, 0, 0, 0] + 1) % LEVELS))
    changed = np.any(np.asarray(logits != other_logits), axis=(0, 3, 4))
    np.testing.assert_array_equal(changed, main.column_sets == main.column_sets[0, 0])
    assert changed.sum() == 2  # the two latents of the first dimension


def test_drawn_tokens_come_from_the_cache_too():
    """With a draft that is the main model itself, rejected nowhere, a sample takes the fewest rounds."""
    main, inputs = digit_main(4)
    shape = code_shape(4, 1)

    def draft(features: NetworkInputs, tokens: jax.Array, position: jax.Array | int) -> jax.Array:
        return main(features, None, tokens, 0, num_layers=4)[0]

    rule, keys = LosslessSampling(), jax.random.split(jax.random.key(0), 3)
    decode = jax.jit(partial(speculative, inputs, draft, main, rule, shape, 3, None, scores_all_layers=False))
    assert decode(keys=keys).rounds.tolist() == [2, 2, 2]


def test_the_first_pass_must_be_the_prefill():
    main, inputs = digit_main(2)
    assert isinstance(main, CachingMainFn)
    shape = code_shape(2, 1)
    with pytest.raises(ValueError, match="position is 1, and there is no cache; the first pass must begin at layer 0"):
        main(inputs, None, random_tokens(2, 0), 1, num_layers=1)
    with pytest.raises(ValueError, match="main keeps a cache, which its first call makes"):
        fixed_point(inputs, main, shape, 3, unrolled_passes=0)
    with pytest.raises(ValueError, match="main keeps a cache, which its first call makes"):
        speculative_greedy(inputs, IGNORANT_DRAFTS[0], main, shape, 3, unrolled_passes=0)

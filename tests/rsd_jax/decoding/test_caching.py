"""Decoders call a main function that keeps a cache so that what it keeps is right whenever it is read."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.decoding import CodeShape, DecodeResult, autoregressive, fixed_point, speculative_greedy
from rsd_jax.decoding.interface import nothing_given
from tests.rsd_jax.decoding.drafts import IGNORANT_DRAFTS, LEVELS, oracle_draft
from tests.rsd_jax.decoding.networks import in_every_column, random_network

CHUNK, LATENTS, LAYERS, BATCH = 2, 3, 6, 3
SHAPE = CodeShape(CHUNK, LATENTS, LAYERS, 2, jnp.ones((LAYERS, LATENTS), bool))
MAIN, FEATURES = random_network(jnp.int32(0), LAYERS, CHUNK, LATENTS, LEVELS, BATCH)


class Remembering:
    """Scores digits as it read them: a digit before the one right before the position is not read again."""

    keeps_cache = True
    column_local = True

    def __call__(self, features, cache, tokens, position, *, num_layers):
        layer = jnp.arange(LAYERS)
        if cache is None:
            assert isinstance(position, int)
            assert position == 0
            cache = jnp.full_like(tokens, -1)
        position = in_every_column(position, tokens)[..., None]
        is_read = (layer >= position - 1) & (layer < position + num_layers - 1)
        seen = jnp.where(is_read, tokens, cache)
        return MAIN(features, seen, position[..., 0], num_layers=num_layers), seen


def test_every_decoder_finds_what_it_finds_without_a_cache():
    @jax.jit
    def decode(is_right: jax.Array) -> tuple[DecodeResult, ...]:
        main = Remembering()
        reference = autoregressive(FEATURES, MAIN, SHAPE, BATCH)
        found = [autoregressive(FEATURES, main, SHAPE, BATCH, unrolled=unrolled) for unrolled in (True, False)]
        found += [fixed_point(FEATURES, main, SHAPE, BATCH, unrolled_passes=written) for written in (1, 2)]
        for draft in [*IGNORANT_DRAFTS, oracle_draft(reference.tokens, is_right)]:
            found += [
                speculative_greedy(FEATURES, draft, main, SHAPE, BATCH, scores_all_layers=whole)
                for whole in (True, False)
            ]
        return reference, *found

    digits = (BATCH, CHUNK, LATENTS, LAYERS)
    for share in (0.0, 0.7, 1.0):
        reference, *results = decode(np.random.default_rng(0).random(digits) < share)
        for result in results:
            np.testing.assert_array_equal(result.tokens, reference.tokens)


def test_a_first_pass_that_cannot_make_the_cache_is_refused():
    given = nothing_given(BATCH, SHAPE)
    with pytest.raises(ValueError, match="main keeps a cache, which its first call makes"):
        speculative_greedy(FEATURES, IGNORANT_DRAFTS[0], Remembering(), SHAPE, BATCH, given)
    with pytest.raises(ValueError, match="main keeps a cache, which its first call makes"):
        fixed_point(FEATURES, Remembering(), SHAPE, BATCH, unrolled_passes=0)

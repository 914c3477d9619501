"""Speculative sampling draws from the main head's own distribution: by enumeration, and by a test that finds bias."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.decoding import (
    CodeShape,
    DecodeResult,
    DraftFn,
    LosslessSampling,
    MainFn,
    autoregressive,
    column_local,
    speculative,
)
from rsd_jax.decoding.rules import Verification
from rsd_jax.decoding.rules.lossless_sampling import left_over
from tests.rsd_jax.decoding.networks import in_every_column

Draw = Callable[[jax.Array], DecodeResult]

LAYERS, LEVELS, DRAFTED = 3, 3, 2
STRINGS = list(itertools.product(range(LEVELS), repeat=LAYERS))


def number_of(tokens: jax.Array) -> jax.Array:
    """Place of a string of digits among all."""
    return jnp.sum(tokens * LEVELS ** jnp.arange(LAYERS - 1, -1, -1), axis=-1)


def logits_by_string(seed: int) -> np.ndarray:
    """Of layer l given the digits before it, looked up by any string that begins with them: ``[strings, L, V]``."""
    generator = np.random.default_rng(seed)
    by_prefix = {
        prefix: generator.normal(0, 1.5, LEVELS)
        for layer in range(LAYERS)
        for prefix in itertools.product(range(LEVELS), repeat=layer)
    }
    return np.array([[by_prefix[string[:layer]] for layer in range(LAYERS)] for string in STRINGS], np.float32)


def main_and_draft(seed: int) -> tuple[MainFn, DraftFn]:
    """All columns alike; the draft, of another opinion, reads the accepted digits and takes later ones for 0."""
    of_main, of_draft = jnp.asarray(logits_by_string(seed)), jnp.asarray(logits_by_string(seed + 100))

    @column_local
    def main(features: None, tokens: jax.Array, position: jax.Array | int, *, num_layers: int) -> jax.Array:
        wanted = in_every_column(position, tokens)[..., None] + jnp.arange(num_layers)
        by_layer = of_main[number_of(tokens)]
        return jnp.take_along_axis(by_layer, jnp.minimum(wanted, LAYERS - 1)[..., None], axis=-2)

    def draft(features: None, tokens: jax.Array, position: jax.Array | int) -> jax.Array:
        start = in_every_column(position, tokens)[..., None]
        # Behind a barrier, or the compiler would compute what the first round is told of no digit, slowly.
        known = jax.lax.optimization_barrier(jnp.where(jnp.arange(LAYERS) < start, tokens, 0))
        return of_draft[number_of(known)]

    return main, draft


def layer_by_layer(rule: LosslessSampling, seed: int) -> np.ndarray:
    """Probability of every string under the main head, the product of those of its digits."""
    p = np.asarray(rule.distribution(jnp.asarray(logits_by_string(seed))))
    return np.array([np.prod([p[n, layer, digit] for layer, digit in enumerate(s)]) for n, s in enumerate(STRINGS)])


@pytest.mark.parametrize("rule", [LosslessSampling(), LosslessSampling(0.5), LosslessSampling(2.0, top_k=2)])
def test_every_string_has_exactly_its_probability(rule: LosslessSampling) -> None:
    """All that can be drafted, accepted and drawn in its place, from every position, weighed by its probability."""
    p_of, q_of = (np.asarray(rule.distribution(jnp.asarray(logits_by_string(seed)))) for seed in (3, 103))

    def given(of: np.ndarray, prefix: tuple[int, ...], layer: int) -> np.ndarray:
        return of[STRINGS.index((*prefix, *[0] * LAYERS)[:LAYERS]), layer]

    found = dict.fromkeys(STRINGS, 0.0)

    def decode(prefix: tuple[int, ...], weight: float) -> None:
        if weight == 0:
            return
        if len(prefix) == LAYERS:
            found[prefix] += weight
            return
        count = min(DRAFTED, LAYERS - len(prefix))
        for drafted in itertools.product(range(LEVELS), repeat=count):
            q = [given(q_of, prefix, len(prefix) + k) for k in range(count)]
            remaining = weight * np.prod([q[k][digit] for k, digit in enumerate(drafted)])
            for k, digit in enumerate(drafted):
                before = (*prefix, *drafted[:k])
                p = given(p_of, before, len(before))
                stays = min(1.0, p[digit] / q[k][digit]) if q[k][digit] else 0.0
                instead = np.asarray(left_over(jnp.asarray(p), jnp.asarray(q[k])), np.float64)
                for other in range(LEVELS):
                    decode((*before, other), remaining * (1 - stays) * instead[other] / instead.sum())
                remaining *= stays
            whole = (*prefix, *drafted)
            if len(whole) == LAYERS:
                decode(whole, remaining)
            else:
                for digit, chance in enumerate(given(p_of, whole, len(whole))):
                    decode((*whole, digit), remaining * chance)

    decode((), 1.0)
    np.testing.assert_allclose(list(found.values()), layer_by_layer(rule, 3), atol=1e-6)


@dataclass(frozen=True)
class Biased(LosslessSampling):
    """Where a drafted digit is rejected it draws from p, as if the digit had never been drafted."""

    def replace(self, round_: Verification, stop: jax.Array) -> jax.Array:
        return super().replace(round_._replace(is_drafted=jnp.zeros_like(round_.is_drafted)), stop)


BATCH, CHUNK, LATENTS = 128, 16, 64
SHAPE = CodeShape(CHUNK, LATENTS, LAYERS, DRAFTED, jnp.ones((LAYERS, LATENTS), bool))


@cache
def drawing(rule: LosslessSampling, seed: int, unrolled_passes: int, scores_all_layers: bool) -> Draw:
    """Compiled once for all draws of a shape."""
    main, draft = main_and_draft(seed)
    settings = {"unrolled_passes": unrolled_passes, "scores_all_layers": scores_all_layers}
    return jax.jit(lambda keys: speculative(None, draft, main, rule, SHAPE, len(keys), None, keys, **settings))


def draw(
    rule: LosslessSampling, seed: int, keys: jax.Array, unrolled_passes: int = 0, scores_all_layers: bool = True
) -> DecodeResult:
    return drawing(rule, seed, unrolled_passes, scores_all_layers)(keys)


def p_value(rule: LosslessSampling, **settings: object) -> float:
    """Of 131,072 columns' strings, if they were drawn layer by layer."""
    from scipy import stats  # a second, which those who run other tests are spared

    seed = 0
    tokens = draw(rule, seed, jax.random.split(jax.random.key(0), BATCH), **settings).tokens
    counts = np.bincount(np.asarray(number_of(tokens)).ravel(), minlength=len(STRINGS))
    assert counts.sum() == 131_072
    expected = layer_by_layer(rule, seed) * counts.sum()
    possible = expected > 1e-6
    assert not counts[~possible].any()
    return float(
        stats.chisquare(counts[possible], expected[possible] * counts.sum() / expected[possible].sum()).pvalue
    )


@pytest.mark.parametrize(
    ("rule", "settings"),
    [
        (LosslessSampling(), {}),
        (LosslessSampling(0.7, top_k=2), {"unrolled_passes": 1, "scores_all_layers": False}),
    ],
)
def test_what_is_decoded_is_distributed_as_layer_by_layer(rule: LosslessSampling, settings: dict[str, object]) -> None:
    assert p_value(rule, **settings) > 1e-4


def test_a_biased_decoder_is_found() -> None:
    assert p_value(Biased()) < 1e-4


def test_a_row_draws_by_its_own_key_whatever_the_others_are() -> None:
    keys = jax.random.split(jax.random.key(1), BATCH)
    moved = np.array([2, 2, 0, *range(3, BATCH)])
    together, again = draw(LosslessSampling(), 0, keys), draw(LosslessSampling(), 0, keys[moved])
    np.testing.assert_array_equal(again.tokens, together.tokens[moved])
    np.testing.assert_array_equal(again.rounds, together.rounds[moved])
    assert (np.asarray(together.tokens[0]) != np.asarray(together.tokens[1])).any()
    assert (np.asarray(together.tokens[0, 0]) != np.asarray(together.tokens[0, 1])).any()


def test_the_limit_is_greedy_decoding() -> None:
    main, _ = main_and_draft(0)
    greedy = autoregressive(None, main, SHAPE, 2, unrolled=False).tokens
    found = draw(LosslessSampling(temperature=1e-4), 0, jax.random.split(jax.random.key(2), 2))
    np.testing.assert_array_equal(found.tokens, greedy)


def test_a_draft_that_says_nothing_changes_nothing() -> None:
    main, _ = main_and_draft(0)
    rule = LosslessSampling(top_k=1)

    def nothing(features: None, tokens: jax.Array, position: jax.Array | int) -> jax.Array:
        return jnp.full((*tokens.shape, LEVELS), jnp.nan)

    keys = jax.random.split(jax.random.key(2), 2)
    found = jax.jit(lambda: speculative(None, nothing, main, rule, SHAPE, 2, None, keys, unrolled_passes=0))()
    np.testing.assert_array_equal(found.tokens, autoregressive(None, main, SHAPE, 2, unrolled=False).tokens)


def test_a_draft_of_the_same_opinion_is_always_accepted() -> None:
    main, _ = main_and_draft(0)
    shape, keys = SHAPE._replace(draft_layers=1), jax.random.split(jax.random.key(3), 8)

    def draft(features: None, tokens: jax.Array, position: jax.Array | int) -> jax.Array:
        return main(features, tokens, 0, num_layers=LAYERS)

    rule = LosslessSampling()
    found = jax.jit(lambda: speculative(None, draft, main, rule, shape, 8, None, keys, unrolled_passes=0))()
    assert found.rounds.tolist() == [2] * 8  # layers 0 1 and then 2
    np.testing.assert_array_equal(found.acceptance.accepted, found.acceptance.proposed)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LosslessSampling(0.0), "temperature is 0.0; it must be finite and above 0"),
        (lambda: LosslessSampling(top_k=0), "top_k is 0; it must be 1 or more levels"),
        (lambda: speculative(None, *main_and_draft(0)[::-1], LosslessSampling(), SHAPE, 1), "keys is None, and Loss"),
    ],
)
def test_impossible_settings_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()

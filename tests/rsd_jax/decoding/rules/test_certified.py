"""Certified decoding never moves an action further than its tolerance, on codes and heads made to break it."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.decoding import Certified, CodeShape, DraftFn, MainFn, autoregressive, column_local, speculative
from rsd_jax.rfsq import Certificate, RepetitionFrame, RfsqTokenizer, make_certificate, make_table
from rsd_jax.rfsq.strategies import Staggered
from tests.rsd_jax.decoding.networks import random_network

BATCH, CHUNK, LAYERS, LEVELS, DRAFTED = 64, 4, 5, 7, 3
FRAME = RepetitionFrame((3, 2, 1))
LATENTS, MOTION = FRAME.latent_dim, FRAME.action_dim - 1
COLUMNS = (BATCH, CHUNK, LATENTS)
SHAPE = CodeShape(CHUNK, LATENTS, LAYERS, DRAFTED, jnp.ones((LAYERS, LATENTS), bool))
EPSILON = 0.1
"""Of the compiled rule. Other tolerances are the same question about actions that latents move more or less."""

TOLERANCES = (0.003, 0.01, 0.03, 0.1, 0.25, 0.6)


class Adversary(NamedTuple):
    """Digits that a main head and a draft agree on up to a layer, where the draft is off.

    Behind it the main head goes to one end of what is left, and to another one where it sees the draft's digit.
    """

    plain: jax.Array
    at: jax.Array
    drafted: jax.Array
    elsewhere: jax.Array


def adversary(generator: np.random.Generator) -> Adversary:
    digits = generator.integers(0, LEVELS, (*COLUMNS, LAYERS))
    at = generator.integers(0, LAYERS, COLUMNS)
    is_behind = np.arange(LAYERS) > at[..., None]
    ends = generator.choice([0, LEVELS - 1], (2, *COLUMNS))[..., None]
    plain, elsewhere = np.where(is_behind, ends[0], digits), np.where(is_behind, ends[1], digits)
    off = generator.choice([-1, 1], COLUMNS)[..., None] * (np.arange(LAYERS) == at[..., None])
    drafted = np.clip(elsewhere + off, 0, LEVELS - 1)
    return Adversary(*(jnp.asarray(each, jnp.int32) for each in (plain, at, drafted, elsewhere)))


@column_local
def adversarial_main(features: Adversary, tokens: jax.Array, position: int, *, num_layers: int) -> jax.Array:
    layer = jnp.arange(LAYERS)
    is_off = jnp.any((tokens != features.plain) & (layer == features.at[..., None]), axis=-1)
    chosen = jnp.where(is_off[..., None] & (layer > features.at[..., None]), features.elsewhere, features.plain)
    return jax.nn.one_hot(chosen, LEVELS)[..., position : position + num_layers, :]


def adversarial_draft(features: Adversary, tokens: jax.Array, position: jax.Array | int) -> jax.Array:
    return jax.nn.one_hot(features.drafted, LEVELS)


def tokenizer_of(table_seed: int) -> RfsqTokenizer:
    """Overlapping levels that grow finer by a factor; from seed 1 on with modes, folds and offsets at random."""
    generator = np.random.default_rng(table_seed)
    step = 0.2 * 3.0 ** -np.arange(LAYERS)[:, None] * np.ones(LATENTS)
    is_random = table_seed > 0
    shape = step.shape
    table = make_table(
        jnp.asarray(is_random * step * generator.normal(0, 0.3, shape)),
        jnp.asarray(step * generator.uniform(0.7, 1.0, shape) if is_random else step),
        LEVELS,
        mode=generator.choice([1, 2, 3, 5, 7], shape) if is_random else np.full(shape, LEVELS),
        fold=is_random * (generator.random(shape) < 0.5),
    )
    normalizer = ActionNormalizer(jnp.array([0.3, -0.1, 0.0]), jnp.array([0.5, 2.0, 1.0]))
    return RfsqTokenizer({}, table, normalizer, FRAME, CHUNK)


class Measured(NamedTuple):
    """Of a decoding beside the greedy one.

    Attributes:
        distance: of the actions, over the tolerance, largest over all motion dimensions.
        gripper_differs: in an action or in a token. departed: share of decoded digits that differ.
        skipped: digits. rounds: on average.
    """

    distance: jax.Array
    gripper_differs: jax.Array
    departed: jax.Array
    skipped: jax.Array
    rounds: jax.Array


def measure(
    tokenizer: RfsqTokenizer,
    certificate: Certificate,
    tolerance: jax.Array,
    features: object,
    draft: DraftFn,
    main: MainFn,
) -> Measured:
    scaled = certificate.replace(weight=certificate.weight * (EPSILON / tolerance))
    greedy = autoregressive(features, main, SHAPE, BATCH)
    found = speculative(features, draft, main, Certified(EPSILON), SHAPE, BATCH, certificate=scaled, unrolled_passes=0)
    actions = tokenizer.detokenize_to(found.tokens, found.depth)
    distance = jnp.abs(actions - tokenizer.detokenize(greedy.tokens)) / tokenizer.normalizer.half_range
    differs = (found.tokens != greedy.tokens) & (jnp.arange(LAYERS) < found.depth[..., None])
    return Measured(
        distance=distance[..., :MOTION].max() / tolerance,
        gripper_differs=jnp.any(distance[..., MOTION:] > 0) | jnp.any(differs[:, :, -1]),
        departed=differs.mean(),
        skipped=found.trace.skipped.sum(),
        rounds=found.rounds.mean(),
    )


@jax.jit
def measure_adversary(
    tokenizer: RfsqTokenizer, certificate: Certificate, tolerance: jax.Array, features: Adversary
) -> Measured:
    return measure(tokenizer, certificate, tolerance, features, adversarial_draft, adversarial_main)


@jax.jit
def measure_random(
    tokenizer: RfsqTokenizer, certificate: Certificate, tolerance: jax.Array, seed: jax.Array
) -> Measured:
    main, features = random_network(seed, LAYERS, CHUNK, LATENTS, LEVELS, BATCH)
    drafted = jax.random.randint(jax.random.key(seed), (*COLUMNS, LAYERS), 0, LEVELS)
    return measure(tokenizer, certificate, tolerance, features, lambda *_: jax.nn.one_hot(drafted, LEVELS), main)


def every_case(
    certificate_of: Callable[[RfsqTokenizer], Certificate] = make_certificate, tables: int = 4
) -> list[Measured]:
    """1,536 chunk steps of each table by an adversary, and as many by random networks."""
    found = []
    for table_seed in range(tables):
        tokenizer = tokenizer_of(table_seed)
        certificate = certificate_of(tokenizer)
        for place, tolerance in enumerate(TOLERANCES):
            features = adversary(np.random.default_rng([table_seed, place]))
            found.append(measure_adversary(tokenizer, certificate, jnp.float32(tolerance), features))
            seed = jnp.int32(10 * table_seed + place)
            found.append(measure_random(tokenizer, certificate, jnp.float32(tolerance), seed))
    return jax.device_get(found)


def test_no_action_is_off_by_more_than_the_tolerance_and_the_gripper_by_nothing() -> None:
    cases = every_case()
    for case, tolerance in zip(cases, np.repeat(TOLERANCES * 4, 2), strict=True):
        assert case.distance <= 1 + 1e-6 / tolerance
        assert not case.gripper_differs
    # What makes the statement worth something: the tolerance is used, and nearly used up.
    assert sum(case.skipped > 0 for case in cases) > 20
    assert sum(case.departed > 0 for case in cases) > 20
    assert max(case.distance for case in cases) > 0.9


def with_one_remainder(tokenizer: RfsqTokenizer) -> Certificate:
    """As if only one of two strings that differ had a tail."""
    right = make_certificate(tokenizer)
    middle, half = (right.highest + right.lowest) / 2, (right.highest - right.lowest) / 2
    return right.replace(lowest=middle - half / 2, highest=middle + half / 2)


def with_half_the_remainder(tokenizer: RfsqTokenizer) -> Certificate:
    """As if layers that are left out mattered half as much."""
    right = make_certificate(tokenizer)
    return right.replace(remainder=right.remainder / 2)


@pytest.mark.parametrize("wrong", [with_one_remainder, with_half_the_remainder])
def test_a_bound_that_is_too_small_is_caught(wrong: Callable[[RfsqTokenizer], Certificate]) -> None:
    assert max(case.distance for case in every_case(wrong, tables=2)) > 1.05


def test_without_tolerance_every_token_is_the_greedy_one() -> None:
    tokenizer = tokenizer_of(2)

    @jax.jit
    def decode(seed: jax.Array) -> tuple[jax.Array, ...]:
        main, features = random_network(seed, LAYERS, CHUNK, LATENTS, LEVELS, BATCH)
        greedy = autoregressive(features, main, SHAPE, BATCH)
        draft = partial(_drafting, greedy.tokens.at[..., 2].add(1) % LEVELS)
        rule, certificate = Certified((0.0, 0.0)), make_certificate(tokenizer)
        found = speculative(features, draft, main, rule, SHAPE, BATCH, certificate=certificate, unrolled_passes=0)
        return found.tokens, greedy.tokens, found.depth

    for seed in range(2):
        tokens, greedy, depth = decode(jnp.int32(seed))
        np.testing.assert_array_equal(tokens, greedy)
        assert set(np.asarray(depth).ravel().tolist()) == {LAYERS}


def _drafting(digits: jax.Array, features: object, tokens: jax.Array, position: jax.Array | int) -> jax.Array:
    return jax.nn.one_hot(digits, LEVELS)


def test_depths_by_hand() -> None:
    # One copy of one motion dimension, 7 cells and each of them halved twice, and the gripper: with a little more than
    # what the layers from l on can change, l layers are decoded, with a little less one more.
    rule = Staggered(3, 2, 7, copies=(1, 1), splits=(2, 0), factors=(2, 2))
    frame, ones = RepetitionFrame((1, 1)), jnp.ones(2)
    tokenizer = RfsqTokenizer({}, rule.fixed_table(), ActionNormalizer(0 * ones, ones), frame, 1)
    certificate = make_certificate(tokenizer)
    shape = CodeShape(1, 2, 3, 1, tokenizer.informative)
    remainders = np.asarray(certificate.remainder)[:, 0]
    assert (np.diff(remainders) < 0).all()
    for layer, remainder in enumerate(remainders[1:], start=1):
        for epsilon, expected in ((remainder + 1e-5, layer), (remainder - 1e-5, layer + 1)):
            if epsilon >= 0 and expected <= 3:
                memory, depth = Certified(float(epsilon)).start(shape, 1, certificate)
                assert depth.tolist() == [expected, 3]  # the gripper to its end
                assert float(memory.left[0, 0, 1]) == 0


@pytest.mark.parametrize(
    ("epsilon", "message"),
    [
        (-0.1, "epsilon is -0.1; it must be finite and 0 or more"),
        ((), r"epsilon is \(\); it must be finite"),
        (float("nan"), "epsilon is nan"),
    ],
)
def test_what_is_no_tolerance_is_refused(epsilon: float | tuple[float, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Certified(epsilon)


def test_a_rule_without_its_certificate_or_of_other_actions_is_refused() -> None:
    with pytest.raises(ValueError, match="certificate is None, and Certified needs the tokenizer's"):
        Certified(0.1).start(SHAPE, 1, None)
    with pytest.raises(ValueError, match=r"epsilon is \(0.1,\): 1 numbers; the tokenizer's actions have 2 motion"):
        Certified((0.1,)).start(SHAPE, 1, make_certificate(tokenizer_of(0)))

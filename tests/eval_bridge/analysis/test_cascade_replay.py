"""Calls of watched episodes, decided on once more: the same as when the cascade itself is run by that rule.

Scripted frames do not depend on what is acted on: a replay must give every look of another run, not of its own alone.
"""

import functools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eval_bridge.analysis.cascade_replay import Decisions, WatchedCalls, decisions_made, replay, watched_calls
from eval_bridge.episodes.shadow import EpisodeShadow
from eval_bridge.policies.decoder_models import DraftProposals
from rsd_jax.decoding.skip_rules import Agreement, AgreementAndConfidence, Confidence
from tests.eval_bridge.policies.scripted_models import (
    CHUNKS,
    DIMS,
    LAYERS,
    SLOTS,
    STEPS,
    WIDTH,
    Script,
    ScriptedCascade,
    ScriptedModels,
    start,
)

EPISODES, CALLS, LONGEST = 8, 14, 4
THRESHOLDS = (0.0, 0.5, 1.0, 2.0)


class Ageing(ScriptedModels):
    """What it drafts and how far it expects to lie depend on how long ago the look was that it remembers, if any."""

    normalizer = SimpleNamespace(normalize=lambda actions: actions)

    def draft_policy(self, inputs):
        tokens, distance = super().draft_policy(inputs)
        if self.draft_policy_remembers is None:
            return DraftProposals(tokens, distance)
        age = inputs.memory.age
        return DraftProposals(tokens.at[..., :-1, 0].add((age % 2)[:, None, None]), distance * (1 + age) / 2)


@functools.cache
def scripts() -> list[Script]:
    """Drafts that often lie near what was foreseen and sometimes close the gripper; a row an episode."""
    generator = np.random.default_rng(0)

    def tokens(*shape):
        coarse = generator.integers(1, 4, (EPISODES, *shape, 1, 1)) + (
            generator.random((EPISODES, *shape, 1, 1)) < 0.1
        )
        fine = generator.integers(0, 4, (EPISODES, *shape, 1, 1))
        found = np.broadcast_to(np.stack([coarse, fine], axis=-1), (EPISODES, *shape, STEPS, DIMS, LAYERS)).copy()
        found[..., -1, :] = generator.random((EPISODES, *shape, 1, 1)) < 0.15
        return found.astype(np.int32)

    return [
        Script(
            jnp.asarray(tokens()),
            jnp.asarray(generator.uniform(0, 2, EPISODES), jnp.float32),
            jnp.asarray(tokens(CHUNKS)),
            jnp.full((EPISODES, SLOTS, WIDTH), float(call % 10)),
        )
        for call in range(CALLS)
    ]


def run(cascade, models):
    """Who looked, ``[E, M]``, and each call's shadow."""
    looks = 0 if models.draft_policy_remembers is None else LONGEST if cascade.shadow else 1
    keys, asked = jax.random.split(jax.random.key(0), EPISODES), jnp.ones(EPISODES, bool)
    decode = jax.jit(lambda script, state: cascade.decode(models, script, None, state, keys, asked))
    looked, shadows, state = [], [], start(EPISODES, looks)
    for script in scripts():
        chunks, state = decode(script, state)
        looked.append(np.asarray(chunks.looked))
        shadows.append(chunks.shadow)
    return np.stack(looked, axis=1), shadows


@functools.cache
def watched(remembers: int | None) -> list[EpisodeShadow]:
    """Whole episodes, run by agreement within 0.5 half-ranges."""
    looked, calls = run(ScriptedCascade(longest_run=LONGEST, shadow=True), Ageing(remembers))
    drafted, foreseen, distance = (np.stack(arrays, axis=1) for arrays in zip(*calls, strict=True))
    return [EpisodeShadow(*arrays) for arrays in zip(drafted, foreseen, distance, looked, strict=True)]


def judged(shadows):
    return watched_calls(shadows, Ageing(), 1)


@pytest.mark.parametrize(
    ("name", "remembers", "longest", "make_rule"),
    [
        ("agreement", None, LONGEST, Agreement),
        ("confidence", LONGEST, 2, Confidence),
        ("both", LONGEST, LONGEST, functools.partial(AgreementAndConfidence, 1.5)),
    ],
    ids=["agreement", "confidence", "both"],
)
def test_a_rule_replayed_looks_where_the_cascade_looks_by_it(name, remembers, longest, make_rule):
    found = replay(judged(watched(remembers)), make_rule, THRESHOLDS, longest)
    settings = {"tolerance": 1.0 if name == "agreement" else 1.5, "threshold": 1.0}
    looked, _ = run(ScriptedCascade(name, **settings, longest_run=longest), Ageing(remembers))
    np.testing.assert_array_equal(~found.skipped[THRESHOLDS.index(1.0)], looked)
    assert 0.1 < 1 - looked.mean() < 0.9
    shares = found.skip_shares(np.full(EPISODES, CALLS)).mean(axis=1)
    assert (np.diff(shares) >= 0).all()


DECIDERS = (decisions_made, functools.partial(replay, make_rule=Agreement, thresholds=(0.5,), longest_run=LONGEST))


@functools.cache
def decided():
    """Decisions on whole episodes: those that were made, and by the rule that made them once more."""
    return [decide(judged(watched(LONGEST))) for decide in DECIDERS]


def test_decisions_that_were_made_are_those_of_the_rule_that_made_them():
    made, again = decided()
    np.testing.assert_array_equal(made.skipped, ~np.stack([shadow.looked for shadow in watched(LONGEST)]))
    np.testing.assert_array_equal(again.skipped[0], made.skipped)
    np.testing.assert_allclose(again.distance[0], made.distance, atol=1e-6)


def test_the_distance_is_of_the_draft_of_the_looks_age():
    chunk = np.zeros((STEPS, DIMS), np.float32)
    by_age = np.stack([chunk + 2, chunk + 5])  # drafts whose gripper is the main model's, which has 0 everywhere
    drafted = np.tile(by_age, (2, 5, 1, 1, 1))
    drafted[1, ..., :-1], drafted[1, ..., 1, -1] = 0, -1  # of another gripper in one step
    looked = np.array([[True, False, False, True, False]] * 2)
    acted = np.zeros((2, 5, STEPS, DIMS), np.float32)
    calls = WatchedCalls(
        drafted, drafted, acted[:, :, None], acted, np.zeros((2, 5, 2)), looked, np.ones((2, 5), bool)
    )
    made = decisions_made(WatchedCalls(*map(jnp.asarray, calls)))
    # A call after a look the youngest draft, then the next; before the first look the youngest is told.
    np.testing.assert_allclose(made.distance, [[2, 2, 5, 5, 2], [2] * 5])
    np.testing.assert_array_equal(made.skipped, ~looked)


def test_losses_and_shares_are_of_each_episodes_own_calls():
    decisions = Decisions(
        skipped=np.array([[False, True, True, True], [False, True, False, False]]),
        distance=np.array([[9.0, 0.05, 0.2, 0.3], [9.0, 9.0, 9.0, 9.0]]),
    )
    calls = np.array([4, 2])
    np.testing.assert_allclose(decisions.losses(calls, 0.1), [2 / 4, 1 / 2])
    np.testing.assert_allclose(decisions.losses(calls, 0.2), [1 / 4, 1 / 2])
    np.testing.assert_allclose(decisions.skip_shares(calls), [3 / 4, 1 / 2])


def test_an_episode_is_judged_alike_beside_longer_ones():
    lengths = [CALLS, 1, 5, 9, 2, CALLS, 7, 3]
    cut = [
        EpisodeShadow(*(array[:length] for array in shadow))
        for shadow, length in zip(watched(LONGEST), lengths, strict=True)
    ]
    for decide, alone in zip(DECIDERS, decided(), strict=True):
        together = decide(judged(cut))
        for place, length in enumerate(lengths):
            for found, expected in zip(together, alone, strict=True):
                np.testing.assert_array_equal(found[..., place, :length], expected[..., place, :length])
            assert not together.skipped[..., place, length:].any()


def test_what_was_not_watched_cannot_be_replayed():
    with pytest.raises(ValueError, match="longest_run=5 must be at most 4, the calls since a look that were watched"):
        replay(judged(watched(LONGEST)), Confidence, THRESHOLDS, 5)


def test_episodes_of_different_cascades_are_not_judged_together():
    with pytest.raises(ValueError, match=r"shadows are of 2 kinds, .*; they must be of one"):
        judged([watched(LONGEST)[0], watched(None)[0]])
    with pytest.raises(ValueError, match="shadows are of 0 kinds"):
        judged([])

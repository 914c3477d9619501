"""The compiled call, on the shipped networks and a decoder that tells what it was given."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eval_bridge.observations import Observation
from eval_bridge.policies.compiled_call import CompiledCall, row_keys
from eval_bridge.policies.compiled_policy import load_models
from eval_bridge.policies.decoders import DecodedChunks, L1Regression
from eval_bridge.policies.embedded_arrays import EmbeddedArrays
from eval_bridge.policies.interface import PolicyRequest
from eval_bridge.policies.observation_needs import select_observation
from eval_bridge.policies.random_streams import episode_key
from rsd_jax.decoding import AcceptanceCounts
from rsd_jax.demos.frames import to_stored_size
from rsd_jax.pretrained import PRETRAINED


@dataclasses.dataclass(frozen=True)
class Telling:
    """A decoder whose actions are its images, and whose state is which rows were asked."""

    name = "telling"
    stages = ("policy",)
    optional_stages = ()

    def initial_state(self, models):
        return np.zeros(4, bool)

    def decode(self, models, inputs, given, state, keys, asked):
        rows = len(keys)
        no_tokens, no_runs = jnp.zeros((rows, 0, 0), jnp.int32), jnp.zeros((rows, 0), jnp.int32)
        counts = AcceptanceCounts(no_tokens, no_tokens, no_runs)
        chunks = DecodedChunks(
            inputs.images.astype(jnp.float32), jnp.zeros(rows, jnp.int32), counts, jnp.ones(rows, bool)
        )
        return chunks, jnp.stack([asked] * rows)


@pytest.fixture(scope="module")
def models():
    return load_models(PRETRAINED, L1Regression())


@pytest.fixture(scope="module")
def call(models):
    return CompiledCall(Telling(), models.networks, EmbeddedArrays(models.arrays), Telling().initial_state(models), 4)


def requests(models, *rows):
    """A request of noise in each of these rows."""
    needs = models.networks.policy.observation_needs
    found = {}
    for row in rows:
        generator = np.random.default_rng(row)
        frames = generator.integers(0, 256, (2, 256, 256, 3), np.uint8)
        observation = Observation(*frames, generator.normal(size=8).astype(np.float32), "open the drawer")
        found[row] = PolicyRequest(select_observation(observation, needs), episode_key(0, 0, row))
    return found


def test_raw_frames_are_reduced_to_what_demonstrations_hold(call, models):
    asked = requests(models, 1, 3)
    answers = call(asked)
    prepared = call.preprocess(asked)
    for row, request in asked.items():
        stored = np.stack([to_stored_size(frame) for frame in request.observation.frames])
        np.testing.assert_array_equal(answers[row][0].actions, stored)
        np.testing.assert_array_equal(prepared.images[row], stored)
        np.testing.assert_array_equal(prepared.proprio[row], request.observation.proprio)
        encoded = models.networks.policy.backbone.encode_instruction("open the drawer")
        np.testing.assert_array_equal(prepared.instruction_ids[row], encoded)


def test_a_decoder_knows_the_rows_that_are_asked_in_this_call(call, models):
    for rows in ((1, 3), (0,), (0, 1, 2, 3)):
        answers = call(requests(models, *rows))
        assert set(answers) == set(rows)
        for _, asked in answers.values():
            assert np.flatnonzero(asked).tolist() == list(rows)


def test_nothing_is_written_to_rows_that_nobody_asked_for(call, models, monkeypatch):
    """They are given as they were, not asked any more."""
    answer, given = call._answer, []

    def watched(arguments, rows):
        given.append(np.array(rows))
        return answer(arguments, rows)

    monkeypatch.setattr(call, "_answer", watched)
    for rows in ((0, 2), (2, 3), (3,)):
        assert set(call(requests(models, *rows))) == set(rows)
    layout = call._batch.layout
    before, then, at_last = ([layout.views(row) for row in rows] for rows in given)
    assert [bool(row.asked) for row in at_last] == [False, False, False, True]
    for row in (0, 1):
        assert bool(before[row].asked) == (row == 0)
        np.testing.assert_array_equal(before[row].frames, at_last[row].frames)
    np.testing.assert_array_equal(then[2].frames, at_last[2].frames)


@pytest.mark.parametrize("size", [1, 2])
def test_pinned_requests_are_answered_alike(models, size):
    """As they are on a GPU; call after call, each by its own observation."""

    def call(pinned):
        start = Telling().initial_state(models)
        return CompiledCall(Telling(), models.networks, EmbeddedArrays(models.arrays), start, size, pinned=pinned)

    one, other = call(True), call(False)
    for seed, row in enumerate((0, size - 1, 0)):
        asked = {row: requests(models, seed)[seed]}
        (found, state), (expected, expected_state) = one(asked)[row], other(asked)[row]
        np.testing.assert_array_equal(found.actions, expected.actions)
        np.testing.assert_array_equal(state, expected_state)
    prepared = one.preprocess(requests(models, *range(size)))
    np.testing.assert_array_equal(prepared.images, other.preprocess(requests(models, *range(size))).images)


def test_keys_differ_by_episode_and_by_call():
    episodes = [episode_key(7, 0, 0), episode_key(7, 0, 1), episode_key(7, 1, 0), episode_key(8, 0, 0)]
    assert len(set(episodes)) == 4
    words = jnp.array(episodes, jnp.uint32)
    keys = [jax.random.key_data(row_keys(words, jnp.full(4, call))) for call in range(2)]
    assert len({tuple(key) for key in np.concatenate(keys).tolist()}) == 8

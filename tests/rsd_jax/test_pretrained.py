"""The checkpoint that ships: what is in it, and that it acts."""

import re

import numpy as np
import pytest

from eval_bridge.observations import Observation
from eval_bridge.policies.compiled_policy import CompiledPolicy
from rsd_jax.checkpoints import load_stage
from rsd_jax.demos.frames import RENDER_SIZE
from rsd_jax.pretrained import PRETRAINED
from rsd_jax.stored_models import load_policy, load_tokenizer
from rsd_jax.training.stages import TRAINED_STAGES

FILES = sorted(path for path in PRETRAINED.rglob("*") if path.is_file())
MAX_MEBIBYTES = 15
DEPLOYED = ("l1_regression", "speculative_greedy")  # equal to autoregressive decoding: test_losslessness.py
INSTRUCTION = "pick up the black bowl on the stove and place it on the plate"


def observations():
    """Nothing at all, and patchwork: so far from a robot at work that wrong drafts change what follows."""
    generator = np.random.default_rng(1)
    black = np.zeros((RENDER_SIZE, RENDER_SIZE, 3), np.uint8)
    yield Observation(black, black, np.zeros(8, np.float32), INSTRUCTION)
    for _ in range(4):
        patches = generator.integers(0, 256, (2, 8, 8, 3), np.uint8)
        frames = patches.repeat(RENDER_SIZE // 8, axis=1).repeat(RENDER_SIZE // 8, axis=2)
        yield Observation(*frames, 6 * generator.normal(size=8).astype(np.float32), INSTRUCTION)


@pytest.fixture(scope="module")
def outputs():
    """What these decoders make of every observation; two compilations of the whole network."""
    policies = {decoder: CompiledPolicy.load(decoder=decoder) for decoder in DEPLOYED}
    return {name: [policy.act(observation) for observation in observations()] for name, policy in policies.items()}


def test_every_decoder_acts(outputs):
    for decoder, chunks in outputs.items():
        for chunk in chunks:
            assert chunk.actions.shape == (8, 7), decoder
            assert np.isfinite(chunk.actions).all(), decoder
            assert set(np.unique(chunk.actions[:, -1])) <= {-1.0, 1.0}, decoder


def test_it_sees_what_it_is_shown(outputs):
    """Constants for a trained network would pass every other test here."""
    for decoder, chunks in outputs.items():
        assert len({chunk.actions.tobytes() for chunk in chunks}) > 1, decoder


def test_tokens_stand_for_what_the_teacher_does(outputs):
    """The heads were trained to name the teacher's chunk: on a plain observation they are within its quantization."""
    tokens, teacher = (outputs[name][0].actions[:, :3] for name in ("speculative_greedy", "l1_regression"))
    assert np.abs(tokens - teacher).max() < 0.1  # of a range of 2


def test_its_stages_belong_together():
    tokenizer_hash, policy_hash = load_tokenizer(PRETRAINED).token_hash, load_policy(PRETRAINED).params_hash
    metadata = {name: load_stage(PRETRAINED, name).metadata for name in TRAINED_STAGES}
    for head in ("draft", "main_head"):
        facts = metadata[head].facts
        assert (facts["tokenizer_hash"], facts["policy_hash"]) == (tokenizer_hash, policy_hash)
    assert len({stage.commit for stage in metadata.values()}) == 1


def test_it_comes_from_committed_code():
    for name in TRAINED_STAGES:
        assert re.fullmatch("[0-9a-f]{40}", load_stage(PRETRAINED, name).metadata.commit or "")


def test_it_holds_the_best_of_every_stage_and_nothing_else():
    assert sorted(path.name for path in PRETRAINED.iterdir()) == sorted(TRAINED_STAGES)
    assert {path.name for stage in PRETRAINED.iterdir() for path in stage.iterdir()} == {"best"}


def test_it_is_small():
    assert sum(path.stat().st_size for path in FILES) <= MAX_MEBIBYTES * 2**20


def test_no_file_names_a_place_on_the_machine_that_made_it():
    places = re.compile(rb"/(root|work|home|tmp|mnt|Users)\b")
    assert FILES
    assert [path for path in FILES if places.search(path.read_bytes())] == []

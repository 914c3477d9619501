"""What benchmarks compute beside their timings."""

from argparse import Namespace
from dataclasses import replace

import jax
import jax.numpy as jnp
import pytest

from rsd_jax.backbones.openvla.backbone import OpenVlaBackbone
from rsd_jax.backbones.openvla.configuration import OPENVLA_7B
from rsd_jax.backbones.openvla.digit_network import DigitMain
from rsd_jax.backbones.openvla.digit_slots import DigitCode
from rsd_jax.decoding import CodeShape, speculative
from rsd_jax.distributed.mesh import MeshConfig, make_mesh
from tests.benchmarks import policy_sensitivity
from tests.benchmarks.openvla_operations import chunk_operations
from tests.benchmarks.openvla_training import described, lowered
from tests.benchmarks.openvla_training_subjects import fine_tuning
from tests.benchmarks.prefill_subjects import SHAPES, bins_256, random_parameters, rfsq_layers
from tests.benchmarks.replayed_acceptance import ReplayedAcceptance, blank_draft, break_even, mean_rounds
from tests.rsd_jax.decoding.networks import random_network


def test_the_originals_engine_gives_a_token_for_every_place_of_the_code():
    torch = pytest.importorskip("torch")
    from tests.benchmarks.original_engine import OriginalEngine

    with torch.inference_mode():
        engine = OriginalEngine(features=8, device="cpu")
        tokens, agreement = engine.find_tokens(torch.zeros(2, 8))
        assert tokens.shape == (2, 8, 16, 8)
        assert 0 <= agreement <= 1
        assert engine.actions(tokens).shape == (2, 8, 7)


def test_a_policys_sensitivity_is_measured_for_every_change_and_both_parts(preflight_run, monkeypatch):
    monkeypatch.setattr(policy_sensitivity, "BATCH", 64)  # as many as are looked at
    found = policy_sensitivity.measure(preflight_run, most=64)
    assert list(found["draft"]) == ["draft, learned from", "draft, held out"]
    assert len(found["views"]) == 5
    for figures in (*found["draft"].values(), *found["views"].values()):
        assert figures["within_0.05"] <= figures["within_0.1"] <= figures["within_0.2"]
    assert found["views"]["main policy, one level brighter"]["l1"] > 0


def test_speculation_breaks_even_where_it_stays_above_one():
    assert break_even([0.3, 0.5, 0.7, 1.0], [0.5, 0.9, 1.1, 2.0]) == pytest.approx(0.6)
    assert break_even([0.3, 0.5, 1.0], [1.2, 0.5, 1.5]) == pytest.approx(0.75)
    assert break_even([0.3, 1.0], [1.0, 2.0]) == 0.3
    assert break_even([0.3, 1.0], [2.0, 0.9]) is None


@pytest.mark.parametrize(("chance", "rounds"), [(1.0, 2), (0.0, 5)])
def test_replayed_drafts_are_right_as_often_as_told_and_digits_of_one_level_always(chance, rounds):
    """Of six layers the second has one level: a round that comes to it gains a layer, whatever the chance."""
    informative = jnp.ones((6, 3), bool).at[1].set(False)
    main, features = random_network(jnp.int32(0), 6, 2, 3, 7, 4)
    rule, keys = ReplayedAcceptance(jnp.float32(chance), informative.T), jax.random.split(jax.random.key(0), 4)
    shape = CodeShape(2, 3, 6, 3, informative)
    result = jax.jit(lambda: speculative(features, blank_draft, main, rule, shape, 4, keys=keys))()
    assert result.rounds.tolist() == [rounds] * 4


def test_rounds_of_a_replay_lie_between_those_of_a_right_draft_and_of_layer_by_layer():
    right, half = mean_rounds(DigitCode(is_mode_locked=True), 3, [1.0, 0.5], traces=4)
    assert (right, half) == (2, 8)


@pytest.mark.parametrize("subject", [rfsq_layers, bins_256])
def test_what_is_timed_can_be_traced_in_the_type_of_the_7b(subject, monkeypatch):
    monkeypatch.setitem(SHAPES, "tiny", (SHAPES["tiny"][0], "bfloat16"))
    timed = subject("tiny", batch=1)
    params = jax.eval_shape(lambda: random_parameters("tiny"))
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("bfloat16")}
    rule = ReplayedAcceptance(jnp.float32(0.5), timed.informative.T)
    keys = jax.random.split(jax.random.key(0), 1)

    def speculate(params):
        main = DigitMain(timed.network, params)
        settings = {"keys": keys, "scores_all_layers": timed.scores_all_layers}
        return speculative(timed.inputs, blank_draft, main, rule, timed.code_shape(2), 1, **settings).tokens

    assert jax.eval_shape(speculate, params).size == jax.eval_shape(timed.serial, params, timed.inputs).size


def test_operations_of_openvlas_chunk_are_twice_its_weights_a_token():
    """Of 7B with 8 of its 32 blocks: these and the towers for every token of theirs, the projector for every patch."""
    blocks, towers, projector = 6_476_267_520 / 4, 300_000_000 + 395_000_000, 2 * 54_000_000
    expected = 2 * (blocks * 619 + towers * 2 * 259 + projector * 512)
    sizes = replace(OPENVLA_7B, language=replace(OPENVLA_7B.language, depth=8))
    assert chunk_operations(OpenVlaBackbone(sizes), 1) == pytest.approx(expected, rel=0.05)
    assert chunk_operations(OpenVlaBackbone(sizes, exit_block=2), 1) < 0.55 * expected


def test_a_step_of_fine_tuning_is_counted_and_lowered_before_anything_is_made():
    """Adapters alone have moments, and a step that keeps the inputs of blocks computes more than is counted."""
    settings = {"master_dtype": "float32", "moments_dtype": "float32", "kept": "inputs", "rank": 4}
    options = Namespace(shape="tiny", way="lora", devices=1, tensor=1, batch=2, **settings)
    subject = fine_tuning(options, make_mesh(MeshConfig(), jax.devices()[:1]))
    row = described(subject, options) | lowered(subject)
    assert row["xla_flops"] > 1.1 * row["operations"] > 0
    memory = subject.memory
    assert 2 * memory.trained <= memory.moments < 0.5 * memory.frozen

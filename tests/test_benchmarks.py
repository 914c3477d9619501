"""What benchmarks compute beside their timings."""

from argparse import Namespace

import jax
import jax.numpy as jnp
import pytest

from rsd_jax.backbones.openvla.digit_network import DigitMain
from rsd_jax.backbones.openvla.digit_slots import DigitCode
from rsd_jax.decoding import CodeShape, speculative
from rsd_jax.distributed.mesh import MeshConfig, make_mesh
from tests.benchmarks import policy_sensitivity
from tests.benchmarks.openvla_training import described, lowered
from tests.benchmarks.openvla_training_subjects import fine_tuning
from tests.benchmarks.policy_step_speed import count_operations
from tests.benchmarks.prefill_subjects import SHAPES, bins_256, random_parameters, rfsq_layers
from tests.benchmarks.replayed_acceptance import ReplayedAcceptance, blank_draft, break_even, mean_rounds
from tests.rsd_jax.decoding.networks import random_network


def operations(function, *shapes):
    arguments = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return count_operations(jax.make_jaxpr(function)(*arguments).jaxpr)


def test_a_matrix_product_multiplies_and_adds_for_every_output_and_contracted_index():
    assert operations(jnp.matmul, (2, 3), (3, 5)) == 2 * 2 * 3 * 5


def test_additions_alone_do_not_count():
    assert operations(lambda x: jnp.tanh(x) + 1.0, (2, 3)) == 0


@pytest.mark.parametrize("length", [1, 7])
def test_batched_products_in_a_compiled_scan_count_as_often_as_it_runs(length):
    """A batch of 4 products, beside one product behind the scan."""

    @jax.jit
    def function(x, weights):
        x, _ = jax.lax.scan(lambda x, _: (jnp.einsum("bij,bjk->bik", x, weights), None), x, length=length)
        return x[0] @ weights[0]

    product = 2 * 2 * 3 * 3
    assert operations(function, (4, 2, 3), (4, 3, 3)) == length * 4 * product + product


def test_scans_in_scans_multiply():
    def inner(x, _):
        return jax.lax.scan(lambda x, _: (x @ x, None), x, length=3)

    assert operations(lambda x: jax.lax.scan(inner, x, length=5)[0], (2, 2)) == 5 * 3 * 2 * 2 * 2 * 2


def test_a_product_that_is_recomputed_in_the_backward_pass_is_seen():
    assert operations(jax.checkpoint(jnp.matmul), (2, 3), (3, 5)) == 2 * 2 * 3 * 5


@pytest.mark.parametrize(("stride", "groups"), [(1, 1), (2, 1), (1, 2)])
def test_a_convolution_multiplies_its_whole_kernel_at_every_output(stride, groups):
    """3x3, from 4 to 6 channels, on an 8x8 image: edges count as if padding were data."""

    def convolve(image, kernel):
        return jax.lax.conv_general_dilated(
            image,
            kernel,
            (stride, stride),
            "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=groups,
        )

    outputs = 2 * (8 // stride) ** 2 * 6
    assert operations(convolve, (2, 8, 8, 4), (3, 3, 4 // groups, 6)) == 2 * outputs * 3 * 3 * (4 // groups)


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


def test_a_step_of_fine_tuning_is_counted_and_lowered_before_anything_is_made():
    """Adapters alone have moments, and a step that keeps the inputs of blocks computes more than is counted."""
    settings = {"master_dtype": "float32", "moments_dtype": "float32", "kept": "inputs", "rank": 4}
    options = Namespace(shape="tiny", way="lora", devices=1, tensor=1, batch=2, **settings)
    subject = fine_tuning(options, make_mesh(MeshConfig(), jax.devices()[:1]))
    row = described(subject, options) | lowered(subject)
    assert row["xla_flops"] > 1.1 * row["operations"] > 0
    memory = subject.memory
    assert 2 * memory.trained <= memory.moments < 0.5 * memory.frozen

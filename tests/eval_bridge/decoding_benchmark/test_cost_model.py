import pytest

from eval_bridge.decoding_benchmark.cost_model import Passes, ceiling
from eval_bridge.policies.decoders import make_decoder
from eval_bridge.policies.latency import Latency

PASSES = Passes(backbone=10.0, draft=0.5, verify=1.5, step=1.0, num_layers=8)


def test_an_empty_call_is_taken_off_every_pass():
    stages = {"backbone": 10.5, "draft_pass": 1.0, "verify_pass": 2.0, "step_pass": 0.25}
    latencies = {name: Latency(value, value, value) for name, value in stages.items()}
    assert Passes.of(latencies, Latency(0.5, 0.5, 0.5), 8) == Passes(10.0, 0.5, 1.5, 0.0, 8)
    assert Passes.of({"backbone": Latency(1, 1, 1)}, Latency(0, 0, 0), 8).step is None


@pytest.mark.parametrize(
    ("decoder", "rounds", "own"),
    [
        ("autoregressive", 8, 8 * 1.0),
        ("fixed_point", 2, 2 * 1.5),
        ("speculative_greedy", 3, 3 * (0.5 + 1.5)),
        ("certified", 1, 0.5 + 1.5),
    ],
)
def test_decoders_of_tokens_cost_their_rounds(decoder, rounds, own):
    found = ceiling(make_decoder(decoder), PASSES, rounds)
    assert found.decoder == pytest.approx(8 / own)
    assert found.chunk == pytest.approx((10 + 8) / (10 + own))


def test_a_decoder_without_tokens_costs_the_backbone_alone():
    assert ceiling(make_decoder("l1_regression"), PASSES, 0) == (None, pytest.approx(18 / 10))


def test_a_cascade_costs_its_draft_policy_and_the_looks():
    found = ceiling(make_decoder("cascade"), PASSES, rounds=2, looked=0.25, draft_policy=1.0)
    assert found.chunk == pytest.approx(18 / (1.0 + 0.25 * (10 + 2 * 1.5)))


def test_a_look_of_an_early_exit_goes_on_from_its_draft():
    found = ceiling(make_decoder("early_exit"), PASSES, rounds=2, looked=0.25, draft_policy=6.0)
    assert found.chunk == pytest.approx(18 / (6.0 + 0.25 * (10 - 6.0 + 2 * 1.5)))


def test_passes_that_were_not_timed_tell_nothing():
    ahead = make_decoder("speculative_greedy", scores_all_layers=False)
    assert ceiling(ahead, PASSES, 3) == (None, None)
    without_a_draft = PASSES._replace(draft=None)
    assert ceiling(make_decoder("speculative_greedy"), without_a_draft, 3) == (None, None)
    assert ceiling(make_decoder("fixed_point"), PASSES._replace(step=None), 3) == (None, None)

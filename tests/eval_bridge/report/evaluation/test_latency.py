import dataclasses

import pytest

from eval_bridge.evaluation.summary import summarise
from eval_bridge.policies.latency import Latency
from eval_bridge.report.evaluation.latency import cost_model, latency_section
from tests.eval_bridge.evaluation.log_examples import make_log, make_record


def test_cost_model_by_hand():
    latency = {"backbone": 10.0, "draft_pass": 1.0, "verify_pass": 2.0, "step_pass": 1.5}
    latency = {name: Latency(value, value, value) for name, value in latency.items()}
    model = cost_model(latency, layers=8, rounds=3.0)
    assert model.autoregressive == 10 + 8 * 1.5
    assert model.speculative == 10 + 3 * (1 + 2)
    assert model.ceiling == pytest.approx(22 / 19)
    assert cost_model({name: latency[name] for name in ("backbone", "draft_pass")}, 8, 3.0) is None
    assert cost_model(latency, 8, None) is None


def test_stages_share_an_axis_up_to_the_highest_p99():
    log = make_log(make_record(0, 0, True), chunk_ms=8.0)
    section = latency_section(summarise(log, planned=1), log)
    stages = {stage.bar.label: stage for stage in section.stages}
    assert stages["Chunk, fused (deployed)"].bar.percent == pytest.approx(100 * 8.0 / 9.5)
    assert stages["Preprocess"].bar.marks == pytest.approx((100 * 2 / 9.5, 100 * 3 / 9.5))
    assert [name for name, stage in stages.items() if stage.is_total] == [
        "Sum of the stages",
        "Chunk, fused (deployed)",
    ]
    assert section.repeats == 100


def test_decoder_without_a_draft_has_no_cost_model_of_speculation():
    log = make_log(make_record(0, 0, True))
    summary = summarise(log, planned=1)
    assert latency_section(summary, log).cost is not None
    assert latency_section(dataclasses.replace(summary, token_acceptance=None), log).cost is None


def test_nothing_timed():
    log = make_log(make_record(0, 0, True))
    log.latency = None
    assert latency_section(summarise(log, planned=1), log) is None

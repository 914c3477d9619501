"""The benchmark of decoders, on the miniature run that preflight trains. Its times are not tested."""

import json

import pytest

from eval_bridge.decoding_benchmark.rows import Row
from launch.benchmark import main
from launch.config_flags import parse_config

KEYS = {
    *("decoder", "settings", "batch", "stages_ms", "decoder_ms_p50", "chunk_ms_p50", "rounds", "token_acceptance"),
    *("layer_acceptance", "acceptance_length", "looked", "speedup_decoder", "speedup_chunk", "ceiling"),
}
"""Of every row, whatever it measures."""


@pytest.fixture(scope="module")
def results(preflight_run, tmp_path_factory):
    output = tmp_path_factory.mktemp("benchmark") / "decoding_DEVICE.json"
    decoders, baseline = (
        ("l1_regression", "certified", "cascade tolerance=9.0"),
        "speculative_greedy unrolled_passes=0",
    )
    arguments = {
        **{"run_dir": preflight_run, "demos": (str(preflight_run / "demos"),), "output": output},
        **{"observations": 6, "batches": (2,), "repeats": (2,), "decoders": decoders, "baseline": baseline},
    }
    flags = [f"--config.{name}={value}" for name, value in arguments.items()]
    main(parse_config(["--config", "configs/decoding_benchmark.py:tiny", *flags]))
    (file,) = output.parent.glob("decoding_cpu_*.json")
    assert file.with_suffix(".html").read_text().startswith("<!doctype html>")
    assert not list(output.parent.glob("*.unfinished.json"))
    return json.loads(file.read_text())


@pytest.fixture
def rows(results):
    return {row["decoder"]: row for row in results["rows"]}


def test_every_row_has_every_key_and_there_is_one_of_each(results):
    assert all(set(row) >= KEYS for row in results["rows"])
    assert len({frozenset(row) for row in results["rows"]}) == 1
    named = [(row["decoder"], row["settings"], row["batch"]) for row in results["rows"]]
    assert len(set(named)) == len(named) == 3
    assert all(row["decoder_ms_p50"] == row["stages_ms"]["decoder"]["p50"] > 0 for row in results["rows"])
    for row in results["rows"]:
        assert Row.from_json(row).to_json() == row | {"layer_acceptance": Row.from_json(row).layer_acceptance}
        assert all(set(latency) == {"p50", "p90", "p99"} for latency in row["stages_ms"].values())
    assert {"checkpoint", "commit", "versions", "device", "repeats", "empty_ms", "inputs"} <= set(results)
    assert results["inputs"]["source"] == "demonstrations"


def test_decoders_of_tokens_tell_their_rounds_and_only_drafts_are_accepted(rows):
    assert 1 <= rows["speculative_greedy"]["rounds"] <= 4
    assert 0 < rows["speculative_greedy"]["token_acceptance"] <= 1
    assert 1 <= rows["speculative_greedy"]["acceptance_length"] <= 4
    assert rows["speculative_greedy"]["tokens_equal"] == 1
    for name in ("l1_regression", "cascade"):
        assert rows[name]["token_acceptance"] is rows[name]["acceptance_length"] is None
    assert rows["l1_regression"]["rounds"] is None


def test_stages_are_those_that_a_decoder_has(rows):
    common = {"preprocess", "backbone", "decoder", "detokenize", "sum_of_stages", "chunk"}
    assert set(rows["speculative_greedy"]["stages_ms"]) == common
    assert set(rows["l1_regression"]["stages_ms"]) == common - {"detokenize"}
    assert set(rows["cascade"]["stages_ms"]) == {*common, "draft", "chunk_looking", "chunk_skipped"}


def test_speed_ups_are_told_against_the_baseline(results, rows):
    baseline, cascade = rows["speculative_greedy"], rows["cascade"]
    assert results["baseline"] == "speculative_greedy unrolled_passes=0"
    assert baseline["speedup_decoder"] == baseline["speedup_chunk"] == 1
    for row in rows.values():
        assert row["speedup_decoder"] == pytest.approx(baseline["decoder_ms_p50"] / row["decoder_ms_p50"])
        assert row["speedup_chunk"] == pytest.approx(baseline["chunk_ms_p50"] / row["chunk_ms_expected"])
    looks, skips = (cascade["stages_ms"][f"chunk_{kind}"]["p50"] for kind in ("looking", "skipped"))
    shares = cascade["looked_calls"]
    assert cascade["chunk_ms_expected"] == pytest.approx(shares * looks + (1 - shares) * skips)
    assert 0 < cascade["looked"] < 1  # first calls look, and a rule as lenient as this lets others skip


def test_a_decoder_without_models_is_named_with_the_reason(results):
    (left_out,) = results["not_run"]
    assert left_out["decoder"] == "certified"
    assert "MlpAutoencoder" in left_out["reason"]

"""The page and the table of a benchmark, from figures made up here."""

import re

from eval_bridge.decoding_benchmark.rows import Row
from eval_bridge.policies.latency import Latency
from eval_bridge.report.decoding_benchmark.page import render_page
from eval_bridge.report.decoding_benchmark.table import terminal_table
from tests.eval_bridge.report.page_parser import Page


def latency(value):
    return Latency(value, 1.25 * value, 4 * value)


def row(decoder, settings="", decode=2.0, chunk=8.0, **more):
    stages = {"decoder": latency(decode)} | ({} if chunk is None else {"chunk": latency(chunk)})
    measured = {"decoder_ms_p50": decode, "chunk_ms_p50": chunk, "chunk_ms_expected": chunk}
    return Row(decoder, settings, batch=1, stages_ms=stages, **measured, **more).to_json()


RESULTS = {
    "rows": [
        row("autoregressive", "unrolled=true", speedup_decoder=1.0, speedup_chunk=1.0, ceiling=1.0, rounds=8),
        row("fixed_point", decode=0.5, chunk=4.0, speedup_decoder=4.0, ceiling_decoder=5.0, speedup_chunk=2.0),
        row("original_pytorch", "mode=eager", decode=40.0, chunk=None, speedup_decoder=0.05),
    ],
    "baseline": "autoregressive unrolled=true",
    "not_run": [{"decoder": "cascade", "settings": "", "reason": "no draft <policy>"}],
    "inputs": {"source": "demonstrations", "observations": 64, "episodes": 5},
    "repeats": {"1": 100},
    "calls_a_turn": 3,
    "empty_ms": {"1": {"decoder": {"p50": 0.08, "p90": 0.1, "p99": 0.2}}},
    "passes_ms": {"1": {"step_pass": {"p50": 0.12, "p90": 0.2, "p99": 0.3}}},
    "checkpoint": {"run": "runs/x", "policy_hash": "f" * 64},
    "commit": None,
    "versions": {"jax": "0.10.2"},
    "device": "CPU: toy (2 cores)",
}


def test_every_row_is_shown_with_its_ceiling_and_what_means_nothing_as_a_dash():
    page = render_page(RESULTS)
    assert Page(page).addresses == []
    assert "4x (5x)" in page
    assert "no draft &lt;policy&gt;" in page
    assert re.search(r"<tr class=\"strong\"><td>autoregressive<small>unrolled=true", page)
    cells = re.search(r"<td>original_pytorch<small>mode=eager</small></td>(.*?)</tr>", page, re.DOTALL)[1]
    assert re.findall(r"<td>(.*?)</td>", cells) == ["40", "0.05x", *["-"] * 8]


def test_a_row_that_has_no_chunk_has_no_bar_of_one():
    page = render_page(RESULTS)
    assert page.count('aria-label="original_pytorch:') == 2
    assert page.count('aria-label="fixed_point:') == 4


def test_the_table_of_a_terminal_names_the_floor_and_what_was_left_out():
    text = terminal_table(RESULTS)
    assert "| fixed_point | 0.5 | 4x (5x) | 4 | 2x | 16 |" in text
    assert "an empty call with a decoder's arguments: 1: 0.080 ms" in text
    assert "not run: cascade : no draft <policy>" in text

import pytest

from eval_bridge.evaluation.summary import describe, summarise
from eval_bridge.report.evaluation.looks import looks_section
from eval_bridge.report.evaluation.page import render_report
from tests.eval_bridge.evaluation.log_examples import NO_DRAFTS, make_log, make_record


@pytest.fixture
def log():
    """Two episodes of one task, of which one always looked, and one of another, which looked at 2 of 4 calls."""
    common = {"decoder": "cascade", "acceptance": NO_DRAFTS}
    return make_log(
        make_record(0, 0, True, rounds=(8, 8), **common),
        make_record(0, 1, True, rounds=(8, 0), looked=(True, False), **common),
        make_record(1, 0, True, steps=32, rounds=(8, 0, 0, 8), looked=(True, False, False, True), **common),
        decoder="cascade",
    )


def test_skipped_calls_are_counted_over_all_episodes(log, tmp_path):
    summary = summarise(log, planned=3)
    assert summary.skipped == pytest.approx(3 / 8)
    assert "skipped     37.5% of 8 calls did without the main backbone" in describe(summary, tmp_path)
    assert summary.to_json()["skipped"] == summary.skipped


def test_looks_are_shared_out_by_part_of_the_episode_and_by_task(log):
    section = looks_section(summarise(log, planned=3), list(log.episodes.values()))
    assert [(bar.label, bar.text, bar.note) for bar in section.by_task] == [
        ("task 0", "75 %", "4 calls"),
        ("task 1", "50 %", "4 calls"),
    ]
    assert [(bar.label, bar.text) for bar in section.by_part] == [
        ("0 to 10 %", "100 %"),
        ("20 to 30 %", "0 %"),
        ("50 to 60 %", "33 %"),
        ("70 to 80 %", "100 %"),
    ]


def test_an_episode_of_each_task_shows_when_it_looked(log):
    section = looks_section(summarise(log, planned=3), list(log.episodes.values()))
    always, sometimes = section.episodes
    assert (always.label, always.text) == ("task 0, episode 0", "2 of 2")
    # 100 steps take 5 s, the axis' end; a call of the other episode comes every 8 steps, 0.4 s.
    assert always.percents == pytest.approx((0, 50))
    assert sometimes.percents == pytest.approx((0, 100 * 1.2 / 5))


def test_only_a_cascade_has_the_section(log, tmp_path):
    assert "<h2>Looks</h2>" in render_report(summarise(log, planned=3), log, {}, tmp_path)
    other = make_log(make_record(0, 0, True))
    summary = summarise(other, planned=1)
    assert summary.skipped is None
    assert looks_section(summary, list(other.episodes.values())) is None
    assert "<h2>Looks</h2>" not in render_report(summary, other, {}, tmp_path)

import dataclasses
import re

import pytest

from eval_bridge.evaluation.comparison import compare
from eval_bridge.report.evaluation.comparison import comparison_section, render_comparison_page, write_comparison_page
from eval_bridge.statistics.intervals import Interval
from tests.eval_bridge.evaluation.log_examples import log_of
from tests.eval_bridge.report.page_parser import Page

NAMES = ("autoregressive", "speculative")


def comparison(first, second, **changes):
    return compare(log_of(first, decoder="autoregressive"), log_of(second, **changes), NAMES)


def test_page_shows_every_figure():
    source = render_comparison_page(comparison({0: "++--", 1: "+++- "}, {0: "+-++", 1: "++++-"}, chunk_ms=4.0))
    text = Page(source).text
    for figure in (
        "+25.0 points",
        "62.5 % → 87.5 %",
        "exact McNemar test p = 0.625",
        "2 → 3 of 4",
        "10,000 resamples",
    ):
        assert figure in text
    assert "Left out, since only speculative has them: 1 of its episodes" in text
    assert "speculative needs 0.50 of the time for a chunk, on one GPU" in text
    assert "decoder autoregressive speculative_greedy" in text
    assert not re.search(r"https?://|@import|url\(", source)


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        ("+-+", "+-+", "exactly the same 2 of 3 episodes"),
        ("+-+-", "-+++", "does not show that either is better"),
        ("-" * 8, "+" * 8, "speculative is better than autoregressive"),
        ("+" * 8, "-" * 8, "autoregressive is better than speculative"),
    ],
)
def test_verdict(first, second, verdict):
    assert verdict in comparison_section(comparison({0: first}, {0: second})).verdict


def test_axis_of_differences_holds_the_interval_and_is_symmetric():
    found = dataclasses.replace(comparison({0: "+-"}, {0: "++"}), interval=Interval(-0.05, 0.43), difference=0.2)
    view = comparison_section(found)
    assert [tick.text for tick in view.ticks] == ["-50", "0", "+50"]
    assert (view.low, view.difference, view.high) == pytest.approx((45.0, 70.0, 93.0))
    narrow = comparison_section(dataclasses.replace(found, interval=Interval(0.0, 0.0), difference=0.0))
    assert [tick.text for tick in narrow.ticks] == ["-10", "-5", "0", "+5", "+10"]


def test_latencies_of_different_devices_are_not_compared():
    found = comparison({0: "+"}, {0: "+"})
    elsewhere = dataclasses.replace(found, second=dataclasses.replace(found.second, device="another"))
    assert comparison_section(found).speed_up == pytest.approx(1.0)
    assert comparison_section(elsewhere).speed_up is None


def test_names_are_escaped(tmp_path):
    found = comparison({0: "+"}, {0: "+"})
    write_comparison_page(tmp_path / "new" / "page.html", found)
    hostile = dataclasses.replace(found, first=dataclasses.replace(found.first, name="<b>&"))
    source = render_comparison_page(hostile)
    assert "<b>&" not in source
    assert "<b>&" in Page(source).text
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["page.html"]

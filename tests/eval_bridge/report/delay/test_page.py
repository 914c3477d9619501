"""The page of success over delay, from figures made up here."""

from eval_bridge.report.delay.page import render_page
from tests.eval_bridge.report.page_parser import Page


def row(execution, delay, successes, profile=None, decoder="fixed_point"):
    return {
        "suite": "libero_spatial",
        "decoder": decoder,
        "execution": execution,
        "delay": delay,
        "profile": profile,
        "episodes": 100,
        "successes": successes,
        "interval": [successes / 100 - 0.05, successes / 100 + 0.05],
        "action_age_mean": None if not successes else 3.5,
        "underruns": 100,
        "holds": 250,
    }


ROWS = [
    row("blocking", None, 95),
    row("hold", 0, 95),
    row("hold", 4, 80),
    row("rtc", 0, 90),
    row("rtc", 8, 0),
    row("rtc", 3.0, 70, "openvla_oft_a100"),
    row("async", 2, 60, decoder="autoregressive"),
]


def page(rows):
    return Page(render_page({"rows": rows, "device": "one <GPU>", "commit": "abc", "versions": {"jax": "0.10.2"}}))


def test_every_figure_is_shown_and_every_fixed_delay_drawn():
    shown = page(ROWS)
    assert "LIBERO spatial" in shown.text
    assert "Decoding by fixed point, greedy and lossless" in shown.text
    assert "openvla_oft_a100 (3.00)" in shown.text
    assert "one <GPU>" in shown.text
    html = render_page({"rows": ROWS, "device": "", "commit": "", "versions": {}})
    # hold at 0 and 4 of 8 steps, 5 % and 20 % below the top: places on an axis from 4 to 96.
    assert 'class="line warn" d="M4.00 5.00L50.00 20.00"' in html
    assert 'class="line good" d="M4.00 10.00L96.00 100.00"' in html
    assert html.count('class="still"') == 1
    assert html.count("<circle") == 5


def test_a_sweep_of_profiles_alone_has_no_plot_of_delays():
    html = render_page({"rows": [row("blocking", None, 95), ROWS[5]], "device": "", "commit": "", "versions": {}})
    assert "<circle" not in html
    assert "rtc: 70 of 100" in html

"""The page of the tokenizer analysis holds what was measured, dashes for what was not, and needs nothing else."""

import copy
import html.parser
import re
from pathlib import Path

import pytest

from eval_bridge.report.tokenizer import page as page_module
from eval_bridge.report.tokenizer.axes import all_series, power_of_ten
from eval_bridge.report.tokenizer.page import COLUMNS, MISSING, Column, cell, render_page, write_number, write_page
from eval_bridge.report.tokenizer.plots import cumulative_bits
from eval_bridge.report.tokenizer.throughput import SpeedBar, flat, speed_bars, speed_plots

NUM_PLOTS = 12


class Page(html.parser.HTMLParser):
    """Checks that tags nest, and collects addresses, labels of the SVGs, table rows and text."""

    def __init__(self, source):
        super().__init__()
        self.open, self.addresses, self.ids, self.words, self.rows = [], [], [], [], []
        self.feed(source)
        assert self.open == []
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag, attributes):
        self.handle_startendtag(tag, attributes)
        if tag != "meta":
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag == "td":
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attributes):
        self.addresses += [value for name, value in attributes if name in ("src", "href", "xlink:href")]
        self.ids += [value for name, value in attributes if name == "id"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)
        if "td" in self.open:
            self.rows[-1][-1] += data


def layered(seed):
    more = 1 + 0.1 * seed
    head = {}
    for suffix in ("", "_demonstrations"):
        head |= {f"draft_l0_l2{suffix}": 0.9, f"draft_l0_l2_majority{suffix}": 0.5}
        head |= {f"main_l3_l7{suffix}": 0.8, f"main_l3_l7_majority{suffix}": 0.6}
        head |= {f"draft_by_layer{suffix}": [0.9] * 3, f"main_by_layer{suffix}": [0.8] * 4}
        head |= {f"majority_by_layer{suffix}": [0.5] * 4}
    return {
        "seed": seed,
        "token_mse_by_layer": [0.01, 0.001, 1e-4, 2e-5 * more],
        "forward_minus_token_mse": 0.0,
        "worst_error_by_dimension": [0.01, 0.01, 0.02, 0.1, 0.1, 0.1, 0.0],
        "gripper_exact": 1.0,
        "informative_fraction": 1.0,
        "bits_per_step": 60.0,
        "perplexity_by_layer": [4.0, 2.0, 2.0, 4.0],
        "usage_by_layer": [1.0, 1.0, 0.75, 1.0],
        "residual_scale_by_layer": [0.4, 0.1, 0.05, 0.02],
        "flips": {"1e-3": 0.01, "1e-2": 0.1},
        "flips_by_layer": {"1e-3": [0.0, 0.01, 0.01, 0.02], "1e-2": [0.0, 0.1, 0.1, 0.2]},
        "bounds": {
            "bound_by_layer": [[1.2] * 7, [0.5] * 7, [0.2] * 7, [0.1] * 7, [0.0] * 7],
            "largest_found_by_layer": [[1.0] * 7, [0.4] * 7, [0.2] * 7, [0.1] * 7, [0.0] * 7],
            "largest_ratio": 1.25,
            "largest_excess": 0.0,
        },
        "train_seconds": 42.0,
        "head": {**head, "free_running_mse": 0.003},
    }


def baseline(seed):
    keys = ("worst_error_by_dimension", "gripper_exact", "flips")
    return {"token_mse_by_layer": [5e-6], "bits_per_step": 39.0, **{key: layered(seed)[key] for key in keys}}


@pytest.fixture(scope="module")
def results():
    variants = {
        "layernorm": {**layered(0), "seeds": [layered(0), layered(1)]},
        "staggered": {**layered(0), "seeds": [layered(0), layered(1)]},
        "openvla_bins": {**baseline(0), "seeds": [baseline(0), baseline(1)]},
    }
    return {
        "default": "staggered",
        "variants": variants,
        "data": {"episodes": 250, "heldout_episodes": 50, "heldout_chunks": 5491, "suites": ["libero_spatial"]},
        "policy_hash": "c1d8",
        "head_steps": 4000,
        "throughput": None,
        "device": "NVIDIA H100",
        "commit": "94767258",
        "versions": {"jax": "0.10.2"},
        "seeds": [0, 1],
    }


@pytest.fixture(scope="module")
def source(results):
    return render_page(results)


def test_page_shows_every_tokenizer_its_figures_and_where_they_come_from(source):
    page = Page(source)
    rows = {row[0]: row for row in page.rows if len(row) == len(COLUMNS) + 1}
    assert list(rows) == ["layernorm", "staggereddefault", "openvla_bins"]
    assert rows["layernorm"][1] == "2.10e-52.00\N{EN DASH}2.20e-5"
    assert rows["layernorm"][7] == "90.0 %(50.0 %)"
    assert rows["openvla_bins"][1] == "5.00e-6"
    for expected in ("50 held-out episodes", "NVIDIA H100", "94767258", "jax 0.10.2", "libero_spatial", "4000 steps"):
        assert expected in page.text


def test_every_plot_is_drawn_and_no_two_elements_share_an_id(source):
    assert source.count('<svg viewBox="') == NUM_PLOTS + 2 + 3  # and two by layer, three in the legend
    assert f"{MISSING} not measured" not in source
    ids = Page(source).ids
    assert len(ids) == len(set(ids))


def test_page_needs_nothing_from_elsewhere(source):
    assert all(address.startswith("#") for address in Page(source).addresses)
    assert not re.search(r"<script|@import|url\((?!#)", source)


def test_colours_are_the_pages_own_and_text_has_its_size(source):
    assert "#0000" not in source
    assert "var(--series-1)" in source
    assert not re.search(r"<text[^>]*font-size", source)


def test_same_results_give_the_same_bytes(results, source):
    assert render_page(copy.deepcopy(results)) == source
    assert not re.search(r"<dc:|matplotlib\.org", source)


@pytest.mark.parametrize(
    "missing",
    [{"head"}, {"bounds", "flips", "bits_per_step"}, {"flips_by_layer", "worst_error_by_dimension", "seeds"}],
)
def test_missing_figures_are_dashes(results, missing):
    poorer = copy.deepcopy(results)
    del poorer["variants"]["layernorm"]
    for figures in poorer["variants"].values():
        for record in (figures, *figures["seeds"]):
            for name in missing & record.keys():
                del record[name]
    page = Page(render_page(poorer))
    assert "staggered" in page.text
    if "head" in missing:
        assert "Draft model \N{EN DASH} not measured" in page.text
        assert page.rows[1][7:10] == [MISSING] * 3


def test_figures_that_are_no_numbers_are_dashes(results):
    diverged = copy.deepcopy(results)
    diverged["variants"]["layernorm"]["seeds"][1]["bits_per_step"] = float("nan")
    diverged["variants"]["layernorm"]["seeds"][1]["perplexity_by_layer"][0] = float("nan")
    diverged["variants"]["layernorm"]["seeds"][0]["head"]["draft_l0_l2"] = None
    row = Page(render_page(diverged)).rows[1]
    assert (row[6], row[7]) == (MISSING, MISSING)


def test_page_without_any_results():
    page = Page(render_page({"default": "staggered", "variants": {}}))
    assert page.text.count(f"{MISSING} not measured") == NUM_PLOTS


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), "text"])
def test_what_is_no_number_is_a_dash(value):
    assert write_number(value, "percent") == MISSING


def test_numbers():
    assert write_number(0.00536, "percent") == "0.54 %"
    assert write_number(1.863e-5, "scientific") == "1.86e-5"
    assert write_number(0.0, "scientific") == "0"
    assert [power_of_ten(value) for value in (1e-3, 1.0, 10.0)] == ["10⁻³", "1", "10"]


def test_seeds_that_look_the_same_have_no_range(results):
    series = all_series(results)[0]
    assert cell(series, Column("Gripper", "", "gripper_exact", "percent")) == ("100.0 %", "")


def test_default_has_the_first_colour_wherever_it_stands(results):
    positions = {series.name: series.position for series in all_series(results)}
    assert positions == {"layernorm": 1, "staggered": 0, "openvla_bins": 2}


def test_bits_by_layer_only_where_they_can_be_told():
    assert cumulative_bits(layered(0)) == pytest.approx([20, 30, 40, 60])
    assert cumulative_bits({**layered(0), "informative_fraction": 0.5}) is None
    assert cumulative_bits({"bits_by_layer": [3.0, 2.0]}) == pytest.approx([3, 5])


def test_throughput_of_the_benchmark_and_of_any_other_mapping(results):
    case = {"implementation": "rsd_jax staggered", "variant": "jit", "operation": "encode", "chunks": 1000}
    measured = {"device": "H100", "results": [{**case, "chunks_per_second": 5e6, "floor_ms": 0.1}], "not_run": []}
    assert speed_bars(measured) == [SpeedBar("encode, 1,000 chunks at once", "rsd_jax staggered, jit", 5e6, 1e7)]
    other = {"encode": {"ours": 2.0, "theirs": 1, "note": "x"}, "decode": None}
    assert speed_bars(other) == [SpeedBar("encode", "ours", 2.0), SpeedBar("encode", "theirs", 1.0)]
    assert flat(other)[-1] == ("decode", None)
    for throughput in (measured, other):
        assert [svg[:4] for svg in speed_plots(speed_bars(throughput), all_series(results)).values()] == ["<svg"]
    assert [speed_bars(nothing) for nothing in (None, {}, [], {"note": "a"}, {"results": [None, {}]})] == [[]] * 5
    text = Page(render_page({**results, "throughput": measured})).text
    assert "encode, 1,000 chunks at once" in text
    assert "rsd_jax staggered, jit: 5.0e6" in text
    assert "results[0].chunks_per_second 5e+06" in text


def test_page_is_written_whole_or_not_at_all(results, source, monkeypatch, tmp_path):
    monkeypatch.setattr(page_module, "render_page", lambda given: {id(results): source}[id(given)])
    page = tmp_path / "report.html"
    page.write_text("earlier")

    def fail(self, target):
        raise OSError("disk full")

    with monkeypatch.context() as context:
        context.setattr(Path, "replace", fail)
        with pytest.raises(OSError, match="disk full"):
            write_page(results, page)
    assert page.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [page]
    write_page(results, page)
    assert page.read_text(encoding="utf-8") == source
    assert list(tmp_path.iterdir()) == [page]


def test_names_are_escaped(results):
    renamed = {**results, "variants": {"<b>&": results["variants"]["layernorm"]}, "default": "<b>&"}
    source = render_page(renamed)
    assert "<b>&" not in source
    assert "<b>&" in Page(source).text

import json
from pathlib import Path

import pytest

from eval_bridge.evidence.scaling_section import SECTION, describe
from eval_bridge.report.markdown import markers, section_of
from launch import plan_scaling
from tests.eval_bridge.runs.scaling.example_plan import LARGE, SMALL

ROOT = Path(__file__).parents[2]


@pytest.fixture
def document(tmp_path, monkeypatch):
    """The 7B takes long to trace, and is traced in small by another test."""
    monkeypatch.chdir(ROOT)
    costs = {"policy_cost": SMALL, "openvla_cost": LARGE, "heads_cost": SMALL}
    for name, cost in costs.items():
        monkeypatch.setattr(f"eval_bridge.runs.scaling.trainings.{name}", lambda *_, cost=cost: cost)
    document = tmp_path / "scaling.md"
    document.write_text("\n".join(["before", *markers(SECTION), "after"]))
    return document


def test_figures_section_and_plot_are_made_and_made_again(document, tmp_path):
    results = tmp_path / "plan.json"
    named = ["--results", str(results), "--document", str(document)]
    plan_scaling.main([*named, "--measured", "1:18900", "2:35800", "--devices", "1", "2", "16"])
    section = section_of(document.read_text(), SECTION)
    assert section == describe(results, document)
    assert "Assumed, for these steps do not tell it: constant a step 2 ms." in section
    assert "| 16 | data 16 | 256 |" in section
    record = json.loads(results.read_text())
    assert "by hand" in record["history"]
    first = document.read_text(), document.with_suffix(".svg").read_text()
    plan_scaling.main([*named, "--again"])
    assert (document.read_text(), document.with_suffix(".svg").read_text()) == first


def test_steps_of_a_file_are_not_by_hand(document, tmp_path):
    rows, results = tmp_path / "scaling.json", tmp_path / "plan.json"
    row = {"devices": 1, "processes": 1, "batch": 256, "samples_per_s": 18900.0}
    rows.write_text(json.dumps({"rows": [row, row | {"batch": 512, "samples_per_s": 20000.0}]}))
    plan_scaling.main(["--rows", str(rows), "--results", str(results), "--devices", "1", "2"])
    record = json.loads(results.read_text())
    assert "history" not in record
    assert record["fit"]["assumed"] == ["network_share"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rows", "nowhere.json"], "nowhere.json is not there; make it by python -m tests.benchmarks.scaling"),
        (["--rows", "a.json", "--measured", "1:1"], "--measured and --rows=a.json are both given; give one of them"),
        (["--measured", "1:1", "--between_hosts", "0"], "--between_hosts is 0; it must be positive, in GB/s a device"),
        (["--measured", "1:1", "--devices", "0"], "devices is [0]; there must be numbers, each at least 1"),
    ],
)
def test_impossible_requests_are_refused_and_write_nothing(document, tmp_path, arguments, message):
    results = tmp_path / "plan.json"
    with pytest.raises(ValueError) as error:
        plan_scaling.main([*arguments, "--results", str(results)])
    assert message in str(error.value)
    assert not results.exists()

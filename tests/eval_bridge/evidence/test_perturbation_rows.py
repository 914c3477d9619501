"""Rows of success under perturbations, from evaluations made by hand, and the command that keeps them."""

import dataclasses
import json

import pytest

from eval_bridge.evidence.perturbation_rows import read_perturbation_results
from eval_bridge.simulators.perturbation.cases import Case
from eval_bridge.statistics.intervals import wilson_interval
from launch.record_perturbations import main
from tests.eval_bridge.evaluation.folder_examples import write_evaluation
from tests.eval_bridge.evaluation.log_examples import DIGEST, log_of
from tests.results.figures import count_checked, disagreements

KEYS = [
    *("folder", "suite", "variant", "perturbation", "level", "decoder", "settings", "seed", "checkpoint", "episodes"),
    *("successes", "success_rate", "interval", "per_task", "cases", "by_level", "by_form"),
]
CASES = {"camera": ("0_0_150_0_0", "17_0_100_0_0"), "noise": ("3", "35")}


def write(folder, outcomes, planned=None, **identity):
    """Two cases of the kind, in turn."""
    log = log_of(outcomes, **identity)
    if "perturbation" in identity:
        kind = identity["perturbation"].partition("_")[0]
        for number, (key, record) in enumerate(log.episodes.items()):
            log.episodes[key] = dataclasses.replace(record, case=Case(kind, CASES[kind][number % 2], 1 + number % 2))
    return write_evaluation(folder, log, planned)


@pytest.fixture
def folders(tmp_path):
    return [
        write(tmp_path / "noise_2", {0: "+-"}, perturbation="noise_2"),
        write(tmp_path / "noise", {0: "+-", 1: "++"}, perturbation="noise"),
        write(tmp_path / "reworded", {0: "--"}, perturbation="camera", suite="libero_spatial_lan"),
        write(tmp_path / "camera", {0: "+-", 1: "--"}, perturbation="camera"),
        write(tmp_path / "evaluation", {0: "++", 1: "++"}),
    ]


def test_a_row_an_evaluation(folders):
    results = json.loads(json.dumps(read_perturbation_results(folders), allow_nan=False))
    assert list(results) == ["rows", "commit", "versions", "device", "anchors", "not_done", "definitions"]
    rows = results["rows"]
    assert all(list(row) == KEYS for row in rows)
    told = [(row["suite"], row["variant"], row["perturbation"], row["level"], row["successes"]) for row in rows]
    assert told == [
        ("libero_spatial", "", "", None, 4),
        ("libero_spatial", "", "camera", None, 1),
        ("libero_spatial", "", "noise", None, 3),
        ("libero_spatial", "", "noise", 2, 1),
        ("libero_spatial", "lan", "camera", None, 0),
    ]
    camera = rows[1]
    assert camera["checkpoint"] == {"rfsq": DIGEST}
    assert (camera["episodes"], camera["seed"], camera["decoder"]) == (4, 7, "speculative_greedy")
    assert camera["interval"] == pytest.approx(wilson_interval(1, 4))
    assert [(task["episodes"], task["successes"]) for task in camera["per_task"]] == [(2, 1), (2, 0)]
    assert [(form["name"], form["successes"], form["episodes"]) for form in camera["by_form"]] == [
        ("around", 0, 2),
        ("farther away", 1, 2),
    ]
    assert rows[0]["by_level"] == []
    assert results["anchors"]["MINT-30M"] == {"camera": 61, "robot_start": 41, "noise": 77}
    assert len(results["not_done"]) == 4
    assert (results["device"], results["commit"]) == ("one GPU", "abc")
    assert list(disagreements(results)) == []
    assert count_checked(results) > 10


@pytest.mark.parametrize(
    ("identity", "message"),
    [
        ({"perturbation": "noise"}, "are of the same cell"),
        ({"perturbation": "noise_3", "checkpoint.rfsq": "other"}, "was run with another rfsq than"),
        ({"perturbation": "noise_3", "simulator": "libero_development"}, "whose starts nothing was chosen by"),
        ({"perturbation": "noise_3", "execution": "hold", "delay": 3}, "in which time passed: leave it out"),
    ],
)
def test_what_cannot_stand_side_by_side_is_refused(folders, tmp_path, identity, message):
    with pytest.raises(ValueError, match=message):
        read_perturbation_results([*folders, write(tmp_path / "other", {0: "+"}, **identity)])


def test_an_evaluation_must_be_complete(tmp_path):
    with pytest.raises(ValueError, match="has 1 of 500 episodes; finish it first"):
        read_perturbation_results([write(tmp_path / "part", {0: "+"}, planned=500, perturbation="noise")])
    with pytest.raises(ValueError, match=r"summary.json does not exist; .*--config.perturbation=KIND"):
        read_perturbation_results([tmp_path / "nothing"])


def test_the_command_keeps_figures_and_puts_the_table_into_a_document(folders, tmp_path, capsys):
    document, results = tmp_path / "results.md", tmp_path / "results" / "libero_plus.json"
    document.write_text("before\n<!-- libero_plus -->\n<!-- /libero_plus -->\nafter\n")
    main([*map(str, folders), "--results", str(results), "--document", str(document)])
    text = document.read_text()
    assert len(json.loads(results.read_text())["rows"]) == 5
    for line in (
        "|  | decoder | success | by kind of case | MINT-30M, all suites | OpenVLA-OFT, all suites |",
        "| `libero_spatial`, nothing perturbed | `speculative_greedy` | **4 of 4** (51.0% to 100.0%) | - | - | - |",
        "| `libero_spatial`, Camera Viewpoints | `speculative_greedy` | **1 of 4** (4.6% to 69.9%) | around 0/2, "
        "farther away 1/2 | 61 | 56.4 |",
        "| `libero_spatial`, Sensor Noise, level 2 | `speculative_greedy` | **1 of 2** (9.5% to 90.5%) | ",
        "four are not done: Language Instructions (needs its rewritten instructions); ",
        "written with this table by `python -m launch.record_perturbations`.",
    ):
        assert line in text
    main(["--results", str(results), "--document", str(document)])  # from the file
    assert document.read_text() == text

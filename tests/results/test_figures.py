import copy
import json
from pathlib import Path

import pytest

from eval_bridge.statistics.intervals import wilson_interval
from eval_bridge.statistics.paired import PairedCounts, bootstrap_difference, mcnemar_p_value
from tests.results.figures import count_checked, disagreements

RESULTS = Path(__file__).parents[2] / "results"
FILES = sorted(RESULTS.rglob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(RESULTS)))
def test_every_figure_follows_from_the_counts_of_its_file(path):
    assert list(disagreements(json.loads(path.read_text()))) == []


def test_the_files_are_found_and_their_rates_and_tests_are_computed_again():
    counts = {path.name: count_checked(json.loads(path.read_text())) for path in FILES}
    assert len(FILES) >= 39
    assert counts["libero_spatial.json"] > 100
    assert counts["data.json"] > 5


def task(index: int, successes: int, episodes: int = 10) -> dict:
    return {
        "task": f"task_{index}",
        "task_index": index,
        "episodes": episodes,
        "successes": successes,
        "success_rate": successes / episodes,
        "success_interval": list(wilson_interval(successes, episodes)),
    }


def row(decoder: str, successes: list[int]) -> dict:
    total, episodes = sum(successes), 10 * len(successes)
    return {
        **{"folder": decoder, "suite": "suite", "decoder": decoder, "seed": 0, "episodes": episodes},
        **{"successes": total, "success_rate": total / episodes, "interval": list(wilson_interval(total, episodes))},
        "per_task": [task(index, number) for index, number in enumerate(successes)],
        "fine_grained": {
            **{"tasks": ["task_1"], "episodes": 10, "successes": successes[1]},
            **{"success_rate": successes[1] / 10, "interval": list(wilson_interval(successes[1], 10))},
        },
    }


@pytest.fixture
def suite():
    """The headline solves 9 and 8 of 10, the other 7 and 9: one start of task 1 is the other's alone."""
    counts = [PairedCounts(7, 0, 2, 1), PairedCounts(8, 1, 0, 1)]
    paired = {
        **{"against": "other", "episodes": 20, "b": 2, "c": 1, "difference": 0.05},
        **{"interval": list(bootstrap_difference(counts)), "p_value": mcnemar_p_value(1, 2), "warnings": []},
    }
    rows = [row("headline", [9, 8]), row("other", [7, 9])]
    return {"rows": [own | {"paired": paired} for own in rows]}


def test_figures_that_fit_together_are_left_alone(suite):
    assert list(disagreements(suite)) == []


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (["successes"], 18, "success_rate"),
        (["success_rate"], 0.86, "success_rate"),
        (["interval", 0], 0.5, "interval"),
        (["per_task", 0, "successes"], 10, "successes of the tasks together"),
        (["per_task", 1, "success_interval", 1], 0.99, "success_interval"),
        (["per_task", 1, "task_index"], 0, "tasks occur twice"),
        (["fine_grained", "tasks", 0], "task_0", "successes of the tasks together"),
        (["fine_grained", "tasks", 0], "task_7", "not all in per_task"),
        (["paired", "p_value"], 0.04, "p_value"),
        (["paired", "b"], 5, "p_value"),
        (["paired", "difference"], -0.05, "difference"),
        (["paired", "interval", 0], -0.04, "interval"),
    ],
)
def test_a_changed_figure_is_named(suite, path, value, named):
    tampered = copy.deepcopy(suite)
    *way, last = path
    place = tampered["rows"][0]
    for key in way:
        place = place[key]
    place[last] = value
    assert any(named in message for message in disagreements(tampered))


def test_a_difference_that_the_rows_contradict_is_named(suite):
    for own in suite["rows"]:
        own["paired"] = own["paired"] | {"b": 3, "difference": 0.1, "p_value": mcnemar_p_value(1, 3)}
    assert any("b - c" in message for message in disagreements(suite))


def test_means_and_sums_of_an_ablation_are_computed_again():
    def run(successes: int, l1: float) -> dict:
        development = {"episodes": 10, "successes": successes, "per_task": {"0": successes}}
        speeds = {"steps": 100, "training_seconds": 50.0, "steps_per_second": 2.0}
        return {"heldout": {"l1": l1}, "development": development, **speeds}

    def variant(runs: list[dict], paired: dict | None) -> dict:
        total = {"episodes": 10 * len(runs), "successes": sum(own["development"]["successes"] for own in runs)}
        mean = sum(own["heldout"]["l1"] for own in runs) / len(runs)
        return {
            **{"heldout": {"l1": mean}, "training_seconds": 50.0, "steps_per_second": 2.0},
            **{"development": total, "paired": paired, "seeds": runs},
        }

    paired = {"episodes": 20, "b": 1, "c": 4, "difference": 0.15, "interval": [0.0, 0.3], "p_value": 0.375}
    base, other = variant([run(8, 0.1), run(7, 0.2)], None), variant([run(9, 0.1), run(9, 0.3)], paired)
    results = {"base": "base", "heldout_only": False, "variants": {"base": base, "other": other}}
    assert list(disagreements(results)) == []
    other["heldout"]["l1"] = 0.1
    assert any("other: l1" in message for message in disagreements(results))
    other["heldout"]["l1"], other["seeds"][0]["development"]["per_task"]["0"] = 0.2, 8
    assert any("by the counts 8" in message for message in disagreements(results))
    other["seeds"][0]["development"]["per_task"]["0"], other["paired"] = 9, {**paired, "difference": -0.15}
    assert any("other: difference" in message for message in disagreements(results))

"""Rows of success over delay, from evaluations made by hand."""

import dataclasses
import json

import numpy as np
import pytest

from eval_bridge.episodes.execution.timing import EpisodeTiming
from eval_bridge.episodes.trace import save_trace
from eval_bridge.evidence.delay_rows import read_delay_results
from launch.record_delay import main
from tests.eval_bridge.analysis.trace_examples import cut, pick_and_place
from tests.eval_bridge.evaluation.folder_examples import write_evaluation
from tests.eval_bridge.evaluation.log_examples import make_log, make_record
from tests.results.figures import count_checked, disagreements

KEYS = [
    *("suite", "decoder", "execution", "delay", "profile", "episodes", "successes", "interval"),
    *("action_age_mean", "underruns", "holds", "commit", "device"),
]
HELD = EpisodeTiming((1, 1), (None, 1, 2, 3, 4, 5, 6, 7, 8, None), 2)
EMPTY = EpisodeTiming((8,), (None,) * 8, 1)


def write(folder, timing, planned=2, **identity):
    """Two episodes of which the second fails; each with a trace of 12 steps in chunks of 8."""
    records = []
    for episode in range(2):
        path = save_trace(folder / "traces" / f"{episode}.npz", cut(pick_and_place(), 12))
        records.append(make_record(0, episode, episode == 0, steps=12, timing=timing, trace=f"traces/{path.name}"))
    # A failure has as many steps as a success here.
    records = [dataclasses.replace(each, rollout=each.rollout._replace(steps=12)) for each in records]
    return write_evaluation(folder, make_log(*records, **identity), planned)


@pytest.fixture
def folders(tmp_path):
    slow = {"execution": "rtc", "delay": "slow", "delay_digest": "0123", "actions_left": 2, "coarse_layers": 3}
    return [
        write(tmp_path / "hold", HELD, execution="hold", delay=1),
        write(tmp_path / "rtc", HELD, **slow),
        write(tmp_path / "blocking", None),
        write(tmp_path / "async", EMPTY, execution="async", delay=8, actions_left=4),
        write(tmp_path / "hold_0", None, execution="hold", delay=0),
    ]


def test_a_row_an_evaluation(folders):
    results = read_delay_results(folders)
    assert list(results) == ["rows", "checkpoints", "commit", "versions", "device"]
    rows = results["rows"]
    assert all(list(row) == KEYS for row in rows)
    told = [(row["execution"], row["delay"], row["profile"], row["holds"], row["underruns"]) for row in rows]
    assert told == [
        ("blocking", None, None, 0, 0),
        ("hold", 0, None, 0, 0),
        ("hold", 1, None, 4, 4),
        ("async", 8, None, 16, 2),
        ("rtc actions_left=2", 1.0, "slow", 4, 4),
    ]
    # Of chunks executed whole, 8 steps and 4 of the next; of all steps held, none.
    ages = [row["action_age_mean"] for row in rows]
    whole = np.mean([*range(8), *range(4)])
    assert ages == [whole, whole, 4.5, None, 4.5]
    assert (rows[0]["suite"], rows[0]["decoder"]) == ("libero_spatial", "speculative_greedy")
    assert (rows[0]["episodes"], rows[0]["successes"]) == (2, 1)
    assert (results["device"], results["commit"]) == ("one GPU", "abc")
    assert list(disagreements(results)) == []
    assert count_checked(results) == 5


def test_the_simulator_is_told_where_its_starts_are_not_the_evaluation_states(tmp_path):
    folders = [
        write(tmp_path / name, None, simulator=simulator, suite=suite)
        for name, simulator, suite in (
            ("first", "libero_development", "libero_spatial"),
            ("second", "point_mass", "point_mass"),
        )
    ]
    rows = read_delay_results(folders)["rows"]
    assert [row["suite"] for row in rows] == ["libero_spatial, libero_development", "point_mass"]


@pytest.mark.parametrize(
    ("identity", "message"),
    [
        ({"execution": "hold", "delay": 1}, "are of the same cell"),
        ({"execution": "hold", "delay": 2, "checkpoint.rfsq": "other"}, "was run with another rfsq than"),
    ],
)
def test_what_cannot_stand_side_by_side_is_refused(folders, tmp_path, identity, message):
    with pytest.raises(ValueError, match=message):
        read_delay_results([*folders, write(tmp_path / "other", HELD, **identity)])


def test_an_evaluation_must_be_complete_and_of_the_same_starts(folders, tmp_path):
    with pytest.raises(ValueError, match="has 2 of 3 episodes; finish it first"):
        read_delay_results([write(tmp_path / "part", HELD, planned=3, execution="async", delay=1)])
    with pytest.raises(ValueError, match=r"is of a perturbed evaluation \(camera_2\): leave it out"):
        read_delay_results([write(tmp_path / "moved", None, perturbation="camera_2")])
    with pytest.raises(ValueError, match="holds no finished evaluation"):
        read_delay_results([tmp_path / "nothing"])
    other = write_evaluation(tmp_path / "one", make_log(make_record(0, 0, True), execution="async", delay=1))
    with pytest.raises(ValueError, match=r"has 1 episodes, .* 2, not all the same"):
        read_delay_results([*folders, other])


def test_the_command_keeps_figures_draws_them_and_puts_the_table_into_a_document(folders, tmp_path, capsys):
    document, results = tmp_path / "delay.md", tmp_path / "results" / "delay.json"
    document.write_text("before\n<!-- delay -->\n<!-- /delay -->\nafter\n")
    main([*map(str, folders), "--results", str(results), "--document", str(document)])
    kept, text = json.loads(results.read_text()), document.read_text()
    assert len(kept["rows"]) == 5
    assert "| hold | 1 | speculative_greedy | libero_spatial | 1 of 2 | 9.5 to 90.5 % | 4.50 | 2.0 | 2.0 |" in text
    assert "| rtc actions_left=2 | slow (1.00) |" in text
    assert "| blocking | - |" in text
    assert "one GPU, commit `abc`; 95 % Wilson intervals. All figures: [`" in text
    page = results.with_suffix(".html").read_text()
    assert "hold, delay 1: 1 of 2" in page
    results.with_suffix(".html").unlink()
    main(["--results", str(results), "--document", str(document)])
    assert (document.read_text(), results.with_suffix(".html").read_text()) == (text, page)
    assert "rtc actions_left=2" in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"must end in \.json"):
        main(["--results", "delay.csv"])


def test_cells_of_another_machine_are_added_to_those_that_were_kept(folders, tmp_path):
    results, at_once = tmp_path / "delay.json", tmp_path / "at_once.json"
    for part in (folders[:2], folders[1:]):
        main([*map(str, part), "--results", str(results), "--add"])
    main([*map(str, folders), "--results", str(at_once)])
    assert json.loads(results.read_text()) == json.loads(at_once.read_text())
    main([str(folders[0]), "--results", str(results)])
    assert len(json.loads(results.read_text())["rows"]) == 1, "without --add a file is written anew"


def test_cells_of_other_checkpoints_or_starts_are_not_added(folders, tmp_path):
    results = tmp_path / "delay.json"
    main([*map(str, folders), "--results", str(results)])
    kept = results.read_text()
    other = write(tmp_path / "other", HELD, execution="hold", delay=3, **{"checkpoint.rfsq": "other"})
    fewer = write_evaluation(
        tmp_path / "one", make_log(make_record(0, 0, True, timing=HELD), execution="hold", delay=4)
    )
    for folder, message in ((other, "are of another rfsq"), (fewer, "are of 2 episodes each, these of 1")):
        with pytest.raises(ValueError, match=message):
            main([str(folder), "--results", str(results), "--add"])
        assert results.read_text() == kept

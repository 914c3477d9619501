import json

import pytest

from eval_bridge.evaluation.comparison import ComparisonError, compare, compare_folders, write_comparison
from eval_bridge.evaluation.episode_log import EpisodeLog, EpisodeLogError, LogContents
from eval_bridge.statistics.paired import PairedCounts, bootstrap_difference
from tests.eval_bridge.evaluation.log_examples import IDENTITY, log_of, make_log, make_record

NAMES = ("autoregressive", "speculative")
FIRST = {0: "++--", 1: "+++-"}
SECOND = {0: "+-++", 1: "++++"}


def test_by_hand():
    found = compare(log_of(FIRST, decoder="autoregressive"), log_of(SECOND, chunk_ms=4.0), NAMES)
    assert found.counts == PairedCounts(both=4, first_only=1, second_only=3, neither=0)
    assert [task.counts for task in found.per_task] == [PairedCounts(1, 1, 2, 0), PairedCounts(3, 0, 1, 0)]
    assert [task.task for task in found.per_task] == ["first_task", "second_task"]
    assert found.difference == pytest.approx(2 / 8)
    assert found.p_value == pytest.approx(2 * (1 + 4) / 2**4)
    assert found.interval == bootstrap_difference([task.counts for task in found.per_task])
    assert (found.first.decoder, found.second.decoder) == ("autoregressive", "speculative_greedy")
    assert (found.first.chunk_ms, found.second.chunk_ms) == (8.0, 4.0)
    assert found.warnings == ()


def test_exchanging_both_changes_the_sign():
    there, back = compare(log_of(FIRST), log_of(SECOND), NAMES), compare(log_of(SECOND), log_of(FIRST), NAMES)
    assert there.difference == -back.difference
    assert there.p_value == back.p_value


def test_steps_are_compared_where_both_succeed():
    first = make_log(make_record(0, 0, True, 100), make_record(0, 1, True, 50), make_record(0, 2, False))
    second = make_log(make_record(0, 0, True, 120), make_record(0, 1, False), make_record(0, 2, True, 10))
    found = compare(first, second, NAMES)
    assert (found.first.mean_steps, found.second.mean_steps) == (100.0, 120.0)


def test_episodes_that_one_lacks_are_in_no_number_and_named():
    found = compare(log_of({0: "+ +-", 1: "+"}), log_of({0: "++ -"}), NAMES)
    assert found.counts == PairedCounts(1, 0, 0, 1)
    assert [task.task_index for task in found.per_task] == [0]
    assert found.warnings == (
        "Left out, since only autoregressive has them: 2 of its episodes (task/episode 0/2, 1/0).",
        "Left out, since only speculative has them: 1 of its episodes (task/episode 0/1).",
    )


@pytest.mark.parametrize(("field", "value"), [("suite", "libero_goal"), ("simulator", "mine"), ("step_limit", 300)])
def test_different_episodes_cannot_be_compared(field, value):
    with pytest.raises(ComparisonError, match=f"{field} is .* in autoregressive and .*{value}.* in speculative"):
        compare(log_of(FIRST), log_of(SECOND, **{field: value}), NAMES)


def test_nothing_in_common():
    with pytest.raises(ComparisonError, match="no episode in common"):
        compare(log_of({0: "+"}), log_of({1: "+"}), NAMES)


def test_empty_log():
    with pytest.raises(ComparisonError, match=r"speculative holds no evaluation; run .*launch\.evaluate"):
        compare(log_of(FIRST), LogContents(), NAMES)


def test_what_else_differs_is_told_and_what_is_compared_is_not():
    second = log_of(SECOND, decoder="autoregressive", **{"checkpoint.rfsq": "0", "version.mujoco": "3.3.0"})
    assert compare(log_of(FIRST, **{"version.mujoco": "3.2.3"}), second, NAMES).warnings == (
        "version.mujoco is '3.2.3' in autoregressive and '3.3.0' in speculative",
    )


def write_log(folder, outcomes):
    with EpisodeLog(folder / "episodes.jsonl", IDENTITY) as log:
        for record in (*log_of(outcomes).sessions, *log_of(outcomes).episodes.values()):
            log.append(record)
    return folder


def test_folders_are_told_apart(tmp_path):
    first, second, third = (
        write_log(tmp_path / name, outcomes)
        for name, outcomes in (("a/evaluation", FIRST), ("a/other", SECOND), ("b/evaluation", SECOND))
    )
    found = compare_folders(first, second)
    assert (found.first.name, found.second.name, found.counts.episodes) == ("evaluation", "other", 8)
    found = compare_folders(first, third)
    assert (found.first.name, found.second.name) == ("a/evaluation", "b/evaluation")
    with pytest.raises(ComparisonError, match="the same folder"):
        compare_folders(first, tmp_path / "a" / "." / "evaluation")
    with pytest.raises(EpisodeLogError, match="does not exist"):
        compare_folders(first, tmp_path)


def test_file(tmp_path):
    write_comparison(tmp_path / "new" / "comparison.json", compare(log_of(FIRST), log_of(SECOND), NAMES))
    stored = json.loads((tmp_path / "new" / "comparison.json").read_text())
    assert stored["counts"] == {"both": 4, "first_only": 1, "second_only": 3, "neither": 0}
    assert stored["per_task"][0]["counts"]["second_only"] == 2
    assert stored["per_task"][0]["difference"] == 0.25
    assert stored["first"]["name"] == "autoregressive"
    assert set(stored["interval"]) == {"low", "high"}
    assert stored["seed"] == 0

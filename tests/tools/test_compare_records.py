import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from rsd_jax.content_check import with_check
from tools.compare_records import compare_demonstrations, compare_evaluations, compare_results, main

EPISODE = {"kind": "episode", "task_index": 2, "episode": 0, "steps": 68, "seconds": 8.6, "actions": {"clipped": 0.1}}
LOG = [
    {"kind": "evaluation", "identity": {"decoder": "speculative_greedy"}},
    {"kind": "session", "started": "2026-01-01", "commit": "a"},
    EPISODE,
    {"kind": "speed", "workers": 2, "seconds": 18.4},
]


def write_log(folder: Path, lines: list[dict]) -> None:
    (folder / "episodes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture
def evaluation(tmp_path):
    folder = tmp_path / "before"
    (folder / "traces").mkdir(parents=True)
    write_log(folder, LOG)
    (folder / "summary.json").write_text(json.dumps({"successes": 1, "commit": "a", "per_task": [{"successes": 1}]}))
    np.savez(folder / "traces/task02_episode000.npz", actions=np.zeros((3, 7)), goal="[]")
    shutil.copytree(folder, tmp_path / "after")
    return folder, tmp_path / "after"


def test_times_sessions_and_the_order_of_lines_may_differ(evaluation):
    before, after = evaluation
    write_log(after, [with_check({**EPISODE, "seconds": 1.0}), {**LOG[1], "commit": "b"}, with_check(LOG[0])])
    (after / "summary.json").write_text(json.dumps({"successes": 1, "commit": "b", "per_task": [{"successes": 1}]}))
    assert list(compare_evaluations(before, after)) == []


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"steps": 69}, "task 2, episode 0: steps: 68, then 69"),
        ({"actions": {"clipped": 0.2}}, "clipped"),
        ({"episode": 1}, "gone: task 2, episode 0"),
        ({"new": 1}, "new: new"),
    ],
)
def test_an_episode_that_differs_is_told(evaluation, changed, named):
    before, after = evaluation
    write_log(after, [LOG[0], {**EPISODE, **changed}])
    assert any(named in line for line in compare_evaluations(before, after))


def test_identity_summary_and_traces_count(evaluation):
    before, after = evaluation
    write_log(after, [{"kind": "evaluation", "identity": {"decoder": "autoregressive"}}, EPISODE])
    (after / "summary.json").write_text(json.dumps({"successes": 1, "per_task": [{"successes": 0}]}))
    actions = np.zeros((3, 7))
    actions[1, 2] = 1e-9
    np.savez(after / "traces/task02_episode000.npz", actions=actions, goal="[]")
    found = "\n".join(compare_evaluations(before, after))
    for named in ("identity: decoder", "per_task", "actions: 1 of 21 values differ"):
        assert named in found


def test_an_empty_log_is_not_the_same(evaluation):
    before, _ = evaluation
    write_log(before, [])
    assert any("no line to compare" in line for line in compare_evaluations(before, before))


def write_demonstration(folder: Path, action: float, seed: str = "0", commit: str = "a") -> None:
    folder.mkdir()
    with h5py.File(folder / "task_demo.hdf5", "w") as file:
        demo = file.create_group("data/demo_0")
        demo.attrs["seed"], demo.attrs["versions"] = seed, commit
        demo["actions"] = np.full((2, 7), action)
    (folder / "task_demo.json").write_text(json.dumps({"successes": 1, "seconds": 3.0, "commit": commit}))


def test_demonstrations_are_compared_value_by_value(tmp_path):
    write_demonstration(tmp_path / "a", 1.0)
    write_demonstration(tmp_path / "b", 1.0, commit="b")
    write_demonstration(tmp_path / "c", 1.0 + 1e-12, seed="1")
    assert list(compare_demonstrations(tmp_path / "a", tmp_path / "b")) == []
    found = "\n".join(compare_demonstrations(tmp_path / "a", tmp_path / "c"))
    assert "data/demo_0@seed" in found
    assert "actions: 14 of 14 values differ" in found
    assert any("no .hdf5" in line for line in compare_demonstrations(tmp_path / "a" / "none", tmp_path / "a"))


def write_checkout(root: Path, successes: int, row: str, document: str) -> None:
    (root / "results").mkdir(parents=True)
    (root / "docs").mkdir()
    (root / "results/x.json").write_text(json.dumps({"successes": successes}))
    (root / "README.md").write_text("no table\n")
    with (root / document).open("a") as file:
        file.write(f"<!-- x -->\n| {row} |\n\nfrom somewhere\n<!-- /x -->\n")


def test_a_table_may_move_and_no_figure_may_change(tmp_path):
    write_checkout(tmp_path / "before", 1, "1 of 2", "README.md")
    write_checkout(tmp_path / "moved", 1, "1 of 2", "docs/results.md")
    write_checkout(tmp_path / "changed", 2, "2 of 2", "docs/results.md")
    assert list(compare_results(tmp_path / "before", tmp_path / "moved")) == []
    found = "\n".join(compare_results(tmp_path / "before", tmp_path / "changed"))
    assert "results/x.json: successes: 1, then 2" in found
    assert "the table x differs" in found


def test_the_exit_status_tells_it(evaluation, capsys):
    before, after = map(str, evaluation)
    with pytest.raises(SystemExit) as stopped:
        main(["evaluation", before, after])
    assert stopped.value.code == 0
    write_log(Path(after), [LOG[0]])
    with pytest.raises(SystemExit) as stopped:
        main(["evaluation", before, after])
    assert stopped.value.code == 1
    assert "gone: task 2, episode 0" in capsys.readouterr().out

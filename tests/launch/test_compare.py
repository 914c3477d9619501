import json

import pytest

from eval_bridge.evaluation.episode_log import EpisodeLog
from launch.compare import main
from tests.eval_bridge.evaluation.log_examples import IDENTITY, log_of


@pytest.fixture
def folders(tmp_path):
    paths = []
    for name, outcomes in (("evaluation_autoregressive", {0: "++--"}), ("evaluation", {0: "+++-"})):
        log = log_of(outcomes)
        paths.append(tmp_path / name)
        with EpisodeLog(paths[-1] / "episodes.jsonl", IDENTITY) as file:
            for record in (*log.sessions, *log.episodes.values()):
                file.append(record)
    return [str(path) for path in paths]


def test_prints_a_table_and_writes_figures_and_page(folders, tmp_path, capsys):
    main([*folders, "--out", str(tmp_path / "comparison.json")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        *("task", "episodes", "evaluation_autoregressive", "evaluation"),
        *("evaluation_autoregressive", "only", "evaluation", "only"),
    ]
    assert lines[1].split() == ["0", "first", "task", "4", "2", "3", "0", "1"]
    assert lines[2].split() == ["all", "4", "2", "3", "0", "1"]
    assert lines[3].startswith("difference +25.0 points (95 % bootstrap interval +0.0 to +75.0)")
    assert len({len(line) for line in lines[:3]}) == 1
    assert json.loads((tmp_path / "comparison.json").read_text())["difference"] == 0.25
    assert "+25.0" in (tmp_path / "comparison.html").read_text()


def test_files_are_optional(folders, tmp_path, capsys):
    main(folders)
    assert "difference" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evaluation", "evaluation_autoregressive"]


def test_errors_are_one_message(folders, tmp_path):
    with pytest.raises(ValueError, match=r".*nowhere.* does not exist"):
        main([folders[0], str(tmp_path / "nowhere")])
    with pytest.raises(ValueError, match=r"--out=.*page\.html must end in \.json"):
        main([*folders, "--out", "page.html"])

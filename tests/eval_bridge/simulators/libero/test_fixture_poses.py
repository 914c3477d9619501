"""Stored fixture poses, evaluation states, and who may read them."""

import re
from pathlib import Path

import numpy as np
import pytest

from eval_bridge.simulators.libero import fixture_poses
from eval_bridge.simulators.libero.fixture_poses import FixturePosesMissing, load_fixture_poses, make_data
from eval_bridge.suites import get_suite

PACKAGES = Path(__file__).parents[4]


@pytest.mark.parametrize("task", get_suite("libero_spatial").tasks)
def test_every_spatial_task_has_the_poses_of_fifty_episodes(task):
    episodes = load_fixture_poses("libero_spatial", task)
    assert len(episodes) == 50
    stoves = np.array([poses["flat_stove_1"] for poses in episodes])
    assert stoves.shape == (50, 7)
    assert len(np.unique(stoves, axis=0)) == 50
    assert np.ptp(stoves[:, :2], axis=0).max() < 0.03, "fixtures move by about a centimetre"
    np.testing.assert_allclose(np.linalg.norm(stoves[:, 3:], axis=1), 1.0)


def test_suite_without_data_names_the_command(monkeypatch, tmp_path):
    monkeypatch.setattr(fixture_poses, "_DATA", tmp_path)
    command = "python -m eval_bridge.simulators.libero.fixture_poses --suite libero_goal"
    with pytest.raises(FixturePosesMissing, match=re.escape(command)):
        load_fixture_poses("libero_goal", 0)


def test_data_are_made_once_per_task_and_read_back(monkeypatch, tmp_path):
    monkeypatch.setattr(fixture_poses, "_DATA", tmp_path)
    asked = []

    def compute(suite, task, episodes):
        asked.append(task)
        return {"stove": [[episode / 3, 0, 0, 1, 0, 0, 0] for episode in range(episodes)], "cabinet": [[0.0] * 7] * 50}

    monkeypatch.setattr(fixture_poses, "compute_fixture_poses", compute)
    path = tmp_path / "fixture_poses_libero_goal.json"
    make_data("libero_goal", path)
    make_data("libero_goal", path)
    assert asked == list(get_suite("libero_goal").tasks)
    episodes = load_fixture_poses("libero_goal", "turn_on_the_stove")
    assert episodes[7]["stove"][0] == 7 / 3
    assert set(episodes[7]) == {"stove", "cabinet"}
    assert list(tmp_path.iterdir()) == [path]


def test_task_without_fixtures_has_empty_poses(monkeypatch, tmp_path):
    monkeypatch.setattr(fixture_poses, "_DATA", tmp_path)
    (tmp_path / "fixture_poses_libero_object.json").write_text('{"pick_up_the_milk_and_place_it_in_the_basket": {}}')
    assert load_fixture_poses("libero_object", "pick_up_the_milk_and_place_it_in_the_basket") == [{}] * 50


def test_only_evaluation_reads_the_evaluation_states():
    sources = [path for package in ("rsd_jax", "eval_bridge", "launch") for path in (PACKAGES / package).rglob("*.py")]
    readers = {path.relative_to(PACKAGES).as_posix() for path in sources if reads_evaluation_states(path)}
    forbidden = {path for path in readers if re.search(r"train|collect|expert|demos|rsd_jax/", path)}
    assert not forbidden


def reads_evaluation_states(path: Path) -> bool:
    return re.search(r"evaluation_states|initial_states_file|get_task_init_states", path.read_text()) is not None


@pytest.mark.libero
def test_evaluation_starts_belong_to_the_task(libero_simulator):
    from eval_bridge.simulators.libero.evaluation_states import evaluation_starts

    starts = evaluation_starts("libero_spatial", 0)
    assert len(starts) == 50
    assert len(np.unique([start.state for start in starts], axis=0)) == 50
    drawn = libero_simulator.draw_start(0)
    assert starts[49].state.shape == drawn.state.shape
    assert set(starts[49].fixture_poses) == set(drawn.fixture_poses)

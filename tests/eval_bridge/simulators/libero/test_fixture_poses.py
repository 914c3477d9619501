"""Stored fixture poses, evaluation states, and who may read them."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from eval_bridge.simulators.libero import compute_fixture_poses, fixture_poses
from eval_bridge.simulators.libero.compute_fixture_poses import make_data
from eval_bridge.simulators.libero.fixture_poses import FixturePosesMissing, load_fixture_poses, stored_task
from eval_bridge.simulators.libero.suites import get_suite, suite_names

PACKAGES = Path(__file__).parents[4]
EVALUATED = [name for name in suite_names() if name != "libero_90"]


@pytest.mark.parametrize("suite", EVALUATED)
def test_every_task_has_the_poses_of_fifty_episodes(suite):
    for task in get_suite(suite).tasks:
        episodes = load_fixture_poses(suite, task)
        assert len(episodes) == 50
        for fixture in episodes[0]:
            poses = np.array([episode[fixture] for episode in episodes])
            assert poses.shape == (50, 7)
            assert np.ptp(poses[:, :2], axis=0).max() < 0.05, "fixtures move by some centimetres at most"
            np.testing.assert_allclose(np.linalg.norm(poses[:, 3:], axis=1), 1.0)


@pytest.mark.parametrize("task", get_suite("libero_spatial").tasks)
def test_stove_and_cabinet_stand_elsewhere_in_every_episode(task):
    episodes = load_fixture_poses("libero_spatial", task)
    for fixture in ("flat_stove_1", "wooden_cabinet_1"):
        assert len(np.unique([episode[fixture] for episode in episodes], axis=0)) == 50


def test_other_words_for_the_same_scene_have_the_poses_of_their_base():
    task = "put_the_bowl_on_the_stove"
    assert stored_task("libero_goal_lan", task) == stored_task("libero_goal", task)
    assert stored_task("libero_goal", 0) == ("libero_goal", "open_the_middle_drawer_of_the_cabinet")
    assert stored_task("libero_object", 0).suite == "libero_object", "a task without fixtures refers to no other"


def test_no_reference_leads_to_another_one():
    for suite in EVALUATED:
        for task in get_suite(suite).tasks:
            assert stored_task(*stored_task(suite, task)) == stored_task(suite, task)


def test_all_data_are_below_a_megabyte_and_a_half():
    assert sum(file.stat().st_size for file in fixture_poses.DATA.iterdir()) < 1_500_000


def test_suite_without_data_names_the_command(monkeypatch, tmp_path):
    monkeypatch.setattr(fixture_poses, "DATA", tmp_path)
    command = "python -m eval_bridge.simulators.libero.compute_fixture_poses libero_goal"
    with pytest.raises(FixturePosesMissing, match=re.escape(command)):
        load_fixture_poses("libero_goal", 0)


@pytest.fixture
def computed(monkeypatch, tmp_path):
    """Tasks whose poses were computed, in a folder of its own: tasks of even and of odd index share theirs."""
    monkeypatch.setattr(fixture_poses, "DATA", tmp_path)
    names = []

    def compute(suite, task):
        names.append((suite, task))
        shift = get_suite(suite).task_index(task) % 2
        stove = [[episode / 3 + shift for episode in range(50)], 0.5, 0.0, 1.0, 0.0, 0.0, 0.0]
        return {"stove": stove, "cabinet": [0.0] * 7}

    monkeypatch.setattr(compute_fixture_poses, "compute_fixture_poses", compute)
    return names


def test_data_are_made_once_per_task_and_read_back(computed, tmp_path):
    make_data("libero_goal")
    make_data("libero_goal")
    assert computed == [("libero_goal", task) for task in get_suite("libero_goal").tasks]
    for task, place in ((2, 7 / 3), (3, 7 / 3 + 1)):
        episode = load_fixture_poses("libero_goal", task)[7]
        np.testing.assert_array_equal(episode["stove"], [place, 0.5, 0, 1, 0, 0, 0])
        np.testing.assert_array_equal(episode["cabinet"], np.zeros(7))
    assert [file.name for file in tmp_path.iterdir()] == ["fixture_poses_libero_goal.json"]


def test_equal_poses_are_stored_once(computed, tmp_path):
    make_data("libero_goal")
    make_data("libero_goal_lan")
    first, second, third = get_suite("libero_goal").tasks[:3]
    stored = json.loads((tmp_path / "fixture_poses_libero_goal.json").read_text())
    assert stored[third] == f"libero_goal/{first}"
    variant = json.loads((tmp_path / "fixture_poses_libero_goal_lan.json").read_text())
    assert [variant[task] for task in (first, second)] == [f"libero_goal/{first}", f"libero_goal/{second}"]
    assert stored_task("libero_goal_lan", third) == ("libero_goal", first)


def test_task_without_fixtures_has_empty_poses(monkeypatch, tmp_path):
    monkeypatch.setattr(fixture_poses, "DATA", tmp_path)
    (tmp_path / "fixture_poses_libero_object.json").write_text('{"pick_up_the_milk_and_place_it_in_the_basket": {}}')
    assert load_fixture_poses("libero_object", "pick_up_the_milk_and_place_it_in_the_basket") == [{}] * 50


@pytest.mark.parametrize("columns", [[0.0] * 6, [[0.0] * 49, *[0.0] * 6]])
def test_damaged_data_name_their_file(monkeypatch, tmp_path, columns):
    monkeypatch.setattr(fixture_poses, "DATA", tmp_path)
    path = tmp_path / "fixture_poses_libero_goal.json"
    path.write_text(json.dumps({"turn_on_the_stove": {"stove": columns}}))
    with pytest.raises(ValueError, match=re.escape(str(path))):
        load_fixture_poses("libero_goal", "turn_on_the_stove")


def test_only_evaluation_and_the_audit_read_the_evaluation_states():
    sources = [path for package in ("rsd_jax", "eval_bridge", "launch") for path in (PACKAGES / package).rglob("*.py")]
    readers = {path.relative_to(PACKAGES).as_posix() for path in sources if reads_evaluation_states(path)}
    forbidden = {path for path in readers if re.search(r"train|collect|expert|demos|rsd_jax/", path)}
    assert forbidden == {"launch/audit_demos.py", "eval_bridge/collection/audit.py"}


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

"""Each check of the self-check passes on a right installation, and fails when the thing it checks is broken."""

import importlib.metadata
import re
from typing import Any

import numpy as np
import pytest

from eval_bridge.simulators.check_result import SelfCheckFailed, require_passed
from eval_bridge.simulators.interface import EpisodeStart
from eval_bridge.simulators.libero import self_check
from eval_bridge.simulators.libero.self_check import check_simulator


@pytest.fixture
def start(libero_simulator):
    return libero_simulator.draw_start(3)


def moved(start, simulator, name, by):
    """The start with an object moved by a vector of metres."""
    state = start.state.copy()
    env = simulator._environment()
    address = 1 + env.sim.model.get_joint_qpos_addr(env.objects_dict[name].joints[-1])[0]
    state[address : address + 3] += by
    return EpisodeStart(state, start.fixture_poses)


@pytest.mark.libero
def test_right_installation_passes(libero_simulator, start):
    results = check_simulator(libero_simulator, start)
    require_passed(results)
    names = ["versions", "gripper direction", "image orientation", f"settling of {libero_simulator.task}"]
    assert [result.name for result in results] == names
    assert all(result.passed and result.detail and result.seconds >= 0 for result in results)


@pytest.mark.parametrize(("package", "version"), [("mujoco", "3.4.0"), ("mujoco", "2.3.7"), ("robosuite", "1.5.1")])
def test_wrong_version_fails_before_anything_is_built(monkeypatch, package, version):
    installed = {"mujoco": "3.2.3", "robosuite": "1.4.0", package: version}
    monkeypatch.setattr(importlib.metadata, "version", installed.__getitem__)
    no_simulator: Any = None
    results = check_simulator(no_simulator, EpisodeStart(np.zeros(1), {}))
    with pytest.raises(SelfCheckFailed, match=f"{package} {version} .expected"):
        require_passed(results)


@pytest.mark.libero
def test_installation_is_checked_where_asked(libero_simulator, start):
    (result,) = check_simulator(libero_simulator, start, with_installation=False)
    assert result.name == f"settling of {libero_simulator.task}"


@pytest.mark.libero
def test_failure_lists_what_failed_and_keeps_all_results(libero_simulator, start, monkeypatch):
    monkeypatch.setattr(self_check, "check_gripper", lambda *_: (False, "wrong way round"))
    monkeypatch.setattr(self_check, "check_images", lambda *_: (True, "as expected"))
    with pytest.raises(SelfCheckFailed, match=r"no episode was run\. gripper direction: wrong way round$") as error:
        require_passed(check_simulator(libero_simulator, start))
    assert [result.passed for result in error.value.results] == [True, False, True, True]


@pytest.mark.libero
def test_reversed_gripper_fails(libero_simulator, start, monkeypatch):
    step = libero_simulator.step
    monkeypatch.setattr(libero_simulator, "step", lambda action: step(action * [1, 1, 1, 1, 1, 1, -1]))
    passed, detail = self_check.check_gripper(libero_simulator, start)
    assert not passed
    assert "+1 should close" in detail


@pytest.mark.libero
def test_frames_that_are_already_upright_fail(libero_simulator, start, monkeypatch):
    render = libero_simulator.render
    monkeypatch.setattr(libero_simulator, "render", lambda camera: render(camera)[::-1, ::-1])
    passed, detail = self_check.check_images(libero_simulator, start)
    assert not passed
    assert "agentview rotated by 180 degrees" in detail
    assert "wrist upside-down" in detail


@pytest.mark.parametrize(
    ("seen", "name"),
    [((200, 60), "as expected"), ((55, 60), "upside-down"), ((200, 195), "mirrored"), ((55, 195), "rotated by 180")],
)
def test_orientation_is_named(seen, name):
    orientation, pixels = self_check._orientation(np.array(seen, float), np.array([198.0, 60.0]), ignore_columns=False)
    assert orientation.startswith(name)
    assert pixels == pytest.approx(2.0)


def test_centre_of_change_ignores_noise_and_finds_the_block():
    before = np.full((256, 256, 3), 100, np.uint8)
    after = before + np.random.default_rng(0).integers(0, 80, before.shape).astype(np.uint8) // 8
    after[192:200, 64:72] = 255
    np.testing.assert_allclose(self_check._centre_of_change(before, after), [195.5, 67.5])
    assert np.isnan(self_check._centre_of_change(before, before)).all()


@pytest.mark.parametrize("greatest", [18, 48])  # the fingers' change in the 40 tasks: far from the camera, near to it
def test_centre_of_change_is_where_most_changed(greatest):
    before = np.full((256, 256, 3), 100, np.uint8)
    after = before.copy()
    after[192:200, 64:72] += np.uint8(greatest)
    after[16:24, 200:208] += np.uint8(greatest // 2 - 1)  # a shadow far away
    np.testing.assert_allclose(self_check._centre_of_change(before, after), [195.5, 67.5])


@pytest.mark.libero
@pytest.mark.parametrize(
    ("by", "complaint"),
    [
        ([0.0, 0.0, 0.4], "akita_black_bowl_1 (still moves|touches nothing|moved)"),  # still falling after settling
        ([1.5, 0.0, 0.0], "akita_black_bowl_1 (still moves|touches nothing|moved)"),  # beside the table
    ],
)
def test_object_that_falls_fails(libero_simulator, start, by, complaint):
    broken = moved(start, libero_simulator, "akita_black_bowl_1", by)
    passed, detail = self_check.check_settling(libero_simulator, broken)
    assert not passed
    assert re.search(complaint, detail)

"""Episodes of a real task: what they depend on, and what they do not."""

import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from eval_bridge.simulators.interface import EpisodeStart
from eval_bridge.simulators.libero.environment import LiberoSimulator
from eval_bridge.simulators.libero.suites import UnknownName

ACTIONS = np.random.default_rng(0).uniform(-1, 1, (12, 7)).astype(np.float32)


def states_of_an_episode(simulator, start, observe=False):
    simulator.begin(start)
    states = [simulator.state()]
    for action in ACTIONS:
        simulator.step(action)
        states.append(simulator.state())
    if observe:
        simulator.observe()
    return np.array(states)


@pytest.mark.libero
def test_seed_alone_determines_a_start(libero_simulator):
    first = libero_simulator.draw_start(5)
    states_of_an_episode(libero_simulator, libero_simulator.draw_start(6))
    again = libero_simulator.draw_start(5)
    np.testing.assert_array_equal(again.state, first.state)
    for name, pose in first.fixture_poses.items():
        np.testing.assert_array_equal(again.fixture_poses[name], pose)


@pytest.mark.libero
def test_other_seeds_move_objects_fixtures_and_arm(libero_simulator):
    first, other = libero_simulator.draw_start(5), libero_simulator.draw_start(6)
    assert set(first.fixture_poses) == {"wooden_cabinet_1", "flat_stove_1"}
    assert (first.fixture_poses["flat_stove_1"] != other.fixture_poses["flat_stove_1"]).any()
    assert (first.state[1:8] != other.state[1:8]).all(), "the arm's joints have noise"
    assert np.abs(first.state[1:8] - other.state[1:8]).max() < 0.2
    positions = [libero_simulator.queries.positions_in(start.state)["plate_1"] for start in (first, other)]
    assert 0 < np.abs(positions[0] - positions[1]).max() < 0.1


@pytest.mark.libero
def test_drawing_leaves_numpys_generator_alone(libero_simulator):
    libero_simulator.proprio()  # builds the environment, which draws from the generator too
    np.random.seed(11)  # noqa: NPY002 - the generator that LIBERO draws from
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(11)  # noqa: NPY002
    libero_simulator.begin(libero_simulator.draw_start(1))
    assert np.random.random() == expected  # noqa: NPY002


@pytest.mark.libero
def test_start_and_actions_alone_determine_the_states(libero_simulator):
    """Neither what happened before nor rendering (in the middle of an episode, the first time) changes a bit."""
    start, other = libero_simulator.draw_start(1), libero_simulator.draw_start(2)
    expected = states_of_an_episode(libero_simulator, start)
    states_of_an_episode(libero_simulator, other, observe=True)
    libero_simulator.begin(start)
    for step, action in enumerate(ACTIONS):
        if step % 6 == 0:
            libero_simulator.observe()
        libero_simulator.step(action)
        np.testing.assert_array_equal(libero_simulator.state(), expected[step + 1])


@pytest.mark.libero
def test_a_fresh_silent_process_gives_the_same_states_and_leaves_home_untouched(libero_simulator, tmp_path):
    program = """
        import json, sys
        import numpy as np
        from eval_bridge.simulators.libero.environment import LiberoSimulator
        simulator = LiberoSimulator("libero_spatial", 0)
        simulator.begin(simulator.draw_start(3))
        for action in np.array(json.loads(sys.argv[1]), np.float32):
            simulator.step(action)
        frame = simulator.render("agentview")
        print(json.dumps({"state": simulator.state().tolist(), "sum": int(frame.sum())}))
        simulator.close()
    """
    home, caches = tmp_path / "home", tmp_path / "caches"
    home.mkdir()
    caches.mkdir()
    unset = ("MPLCONFIGDIR", "MESA_SHADER_CACHE_DIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), json.dumps(ACTIONS[:5].tolist())],
        env={**environment, "HOME": str(home), "TMPDIR": str(caches), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert len(result.stdout.splitlines()) == 1
    assert list(home.rglob("*")) == []

    libero_simulator.begin(libero_simulator.draw_start(3))
    for action in ACTIONS[:5]:
        libero_simulator.step(action)
    there = json.loads(result.stdout)
    np.testing.assert_array_equal(libero_simulator.state(), there["state"])
    assert int(libero_simulator.render("agentview").sum()) == there["sum"]


@pytest.mark.libero
def test_captured_start_begins_the_same_episode(libero_simulator):
    start = libero_simulator.draw_start(8)
    captured = libero_simulator.capture_start()
    expected = states_of_an_episode(libero_simulator, start)
    np.testing.assert_array_equal(states_of_an_episode(libero_simulator, captured), expected)


@pytest.mark.libero
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda start: EpisodeStart(start.state[:-1], start.fixture_poses), "belongs to another task"),
        (lambda start: EpisodeStart(start.state, {}), "belongs to another task"),
        (
            lambda start: EpisodeStart(start.state, {name: np.zeros(3) for name in start.fixture_poses}),
            r"must be \[7\]",
        ),
    ],
)
def test_start_of_another_task_is_refused(libero_simulator, change, message):
    start = libero_simulator.draw_start(0)
    with pytest.raises(ValueError, match=message):
        libero_simulator.begin(change(start))


@pytest.mark.libero
@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seed_out_of_range_is_refused(libero_simulator, seed):
    with pytest.raises(ValueError, match=r"0 <= seed < 2\*\*32"):
        libero_simulator.draw_start(seed)


@pytest.mark.libero
@pytest.mark.parametrize("action", [np.zeros(6), np.full(7, np.nan)])
def test_bad_action_is_refused(libero_simulator, action):
    with pytest.raises(ValueError, match="7 finite numbers"):
        libero_simulator.step(action)


def test_unknown_task_is_refused_without_the_simulator():
    with pytest.raises(UnknownName):
        LiberoSimulator("libero_spatial", "pick_up_the_cup")


def test_closed_simulator_refuses_instead_of_hanging():
    simulator = LiberoSimulator("libero_spatial", 0)
    simulator.close()
    simulator.close()
    with pytest.raises(RuntimeError, match="closed"):
        simulator.state()

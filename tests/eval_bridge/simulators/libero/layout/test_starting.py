"""Starts in layouts, in the real simulator."""

import dataclasses

import numpy as np
import pytest

from eval_bridge.simulators.libero.layout import starting
from eval_bridge.simulators.libero.layout.settings import DEVELOPMENT_LAYOUTS, LayoutSettings
from eval_bridge.simulators.libero.layout.starting import WITHHELD, draw_start_in_layout

ACTIONS = np.random.default_rng(0).uniform(-1, 1, (5, 7)).astype(np.float32)


def assert_same(first, second):
    np.testing.assert_array_equal(first.state, second.state)
    assert first.fixture_poses.keys() == second.fixture_poses.keys()
    for name, pose in first.fixture_poses.items():
        np.testing.assert_array_equal(pose, second.fixture_poses[name])


@pytest.fixture(scope="module")
def drawn(libero_simulator):
    """Of some seeds: the layout's start, and the task's own."""
    starts = {}
    for seed in range(4):
        starts[seed] = draw_start_in_layout(libero_simulator, seed, DEVELOPMENT_LAYOUTS)
    return starts


@pytest.mark.libero
def test_without_layouts_a_start_keeps_every_bit(libero_simulator):
    start, layout = draw_start_in_layout(libero_simulator, 5, LayoutSettings())
    assert layout == {}
    assert_same(start, libero_simulator.draw_start(5))


@pytest.mark.libero
def test_a_seed_alone_determines_the_layout(libero_simulator, drawn):
    again = draw_start_in_layout(libero_simulator, 2, DEVELOPMENT_LAYOUTS)
    assert again.layout == drawn[2].layout
    assert_same(again.start, drawn[2].start)


@pytest.mark.libero
def test_what_a_layout_leaves_alone_keeps_every_bit(libero_simulator, drawn):
    for seed, (start, layout) in drawn.items():
        own = libero_simulator.draw_start(seed)
        np.testing.assert_array_equal(start.state[:10], own.state[:10])  # the time, the arm and the fingers
        changed = {*layout["moved"], *layout["removed"]}
        assert changed
        poses, own_poses = (libero_simulator.queries.poses_in(each.state) for each in (start, own))
        for name, pose in poses.items():
            assert np.array_equal(pose, own_poses[name]) == (name not in changed), name
        for name, pose in start.fixture_poses.items():
            assert np.array_equal(pose, own.fixture_poses[name]) == (name not in changed), name


@pytest.mark.libero
def test_things_lie_still_where_they_were_put(libero_simulator, drawn):
    queries = libero_simulator.queries
    for start, layout in drawn.values():
        libero_simulator.begin(start)
        assert not libero_simulator.is_solved()
        for name, (x, y, z, _) in layout["moved"].items():
            np.testing.assert_allclose(queries.pose(name).position, [x, y, z], atol=0.012)
        for name in set(queries.object_names) - set(layout["removed"]):
            assert queries.speed(name) < 0.05
            assert queries.pose(name).rotation[2, 2] > 0.99
        for name in layout["removed"]:
            assert queries.pose(name).position[0] > 10.0, "behind the camera"
            assert queries.speed(name) < 0.05


@pytest.mark.libero
def test_an_episode_from_a_stored_layout_repeats_bit_for_bit(libero_simulator, drawn):
    def play():
        libero_simulator.begin(drawn[1].start)
        states = [libero_simulator.state()]
        for action in ACTIONS:
            libero_simulator.step(action)
            states.append(libero_simulator.state())
        return np.array(states)

    first = play()
    libero_simulator.begin(drawn[3].start)
    np.testing.assert_array_equal(play(), first)


@pytest.mark.libero
def test_withheld_layouts_are_drawn_again_and_counted(libero_simulator, drawn):
    shown = []

    def refuse_twice(positions):
        shown.append(positions)
        return len(shown) <= 2

    start, layout = draw_start_in_layout(libero_simulator, 0, DEVELOPMENT_LAYOUTS, refuse_twice)
    assert layout["refused"][WITHHELD] == 2
    libero_simulator.begin(start)
    queries = libero_simulator.queries
    assert shown[-1].keys() == {*queries.object_names, *queries.fixture_names}
    for name, position in shown[-1].items():
        np.testing.assert_allclose(position[:2], queries.pose(name).position[:2], atol=0.015, err_msg=name)


@pytest.mark.libero
def test_where_every_draw_is_refused_there_is_no_start(libero_simulator):
    few = LayoutSettings(probability=1.0, exchange_probability=1.0, most_draws=3)
    start, layout = draw_start_in_layout(libero_simulator, 0, few, lambda positions: True)
    assert start is None
    assert sum(layout["refused"].values()) == 3


@pytest.mark.libero
def test_what_is_withheld_for_the_variants_is_refused_unless_another_rule_is_given(libero_simulator, monkeypatch):
    asked = []

    def refuse(suite, task, positions):
        asked.append((suite, task, {"akita_black_bowl_1", "plate_1"} <= set(positions)))
        return True

    monkeypatch.setattr(starting, "is_withheld", refuse)
    found = draw_start_in_layout(libero_simulator, 0, dataclasses.replace(DEVELOPMENT_LAYOUTS, most_draws=6))
    assert found.start is None
    assert set(asked) == {(libero_simulator.suite, libero_simulator.task, True)}
    assert found.layout["refused"][WITHHELD] == len(asked)

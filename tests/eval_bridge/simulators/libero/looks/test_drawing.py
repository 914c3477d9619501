"""Looks in the real simulator: what they change, what they leave, and that they come back."""

import dataclasses
import json

import numpy as np
import pytest

from eval_bridge.collection.recording import observe_frames
from eval_bridge.collection.rendering import render_demo
from eval_bridge.simulators.interface import EpisodeStart
from eval_bridge.simulators.libero.looks.drawing import WITHHELD, add_looks, told_by_colour
from eval_bridge.simulators.libero.looks.recolouring import Recolouring
from eval_bridge.simulators.libero.looks.settings import DEVELOPMENT_LOOKS, LooksSettings
from eval_bridge.simulators.libero.looks.values import Looks, PartLook
from eval_bridge.simulators.libero.withheld_looks import check_look
from eval_bridge.simulators.libero.withheld_table import Withheld
from rsd_jax.demos.demo import DemoStart
from rsd_jax.demos.libero_hdf5 import EpisodeDescription, SceneDescription, read_demos, write_episode
from tests.rsd_jax.demos.demo_examples import WITHOUT_FRAMES, example_demo

ACTIONS = np.random.default_rng(0).uniform(-1, 1, (3, 7)).astype(np.float32)


def frames_of(simulator, start):
    simulator.begin(start)
    return np.stack([simulator.render(camera) for camera in ("agentview", "wrist")])


@pytest.fixture(scope="module")
def start(libero_simulator):
    return libero_simulator.draw_start(5)


@pytest.fixture(scope="module")
def own_frames(libero_simulator, start):
    return frames_of(libero_simulator, start)


@pytest.fixture(scope="module")
def drawn(libero_simulator, start):
    """The start with looks from two seeds."""
    return [add_looks(libero_simulator, start, seed, DEVELOPMENT_LOOKS) for seed in (1, 2)]


@pytest.mark.libero
def test_without_looks_a_start_is_the_same_object(libero_simulator, start):
    assert add_looks(libero_simulator, start, 5, LooksSettings()) is start
    rare = dataclasses.replace(DEVELOPMENT_LOOKS, probability=1e-9)
    assert add_looks(libero_simulator, start, 5, rare) is start


@pytest.mark.libero
def test_looks_change_frames_and_the_arm_and_nothing_of_them_is_left_behind(
    libero_simulator, start, own_frames, drawn
):
    changed = drawn[0]
    assert changed.fixture_poses is start.fixture_poses
    moved = np.flatnonzero(changed.state != start.state)
    np.testing.assert_array_equal(moved, np.arange(1, 8))
    assert 0 < np.linalg.norm(changed.state - start.state) < DEVELOPMENT_LOOKS.arm
    frames = frames_of(libero_simulator, changed)
    assert (np.abs(frames.astype(int) - own_frames) > 8).any(axis=-1).mean(axis=(1, 2)).min() > 0.5
    assert 20 < frames.mean() < 235
    np.testing.assert_array_equal(frames_of(libero_simulator, start), own_frames)


@pytest.mark.libero
def test_a_draw_does_not_depend_on_how_the_scene_looked_before(libero_simulator, start, drawn):
    first = drawn[1]
    libero_simulator.begin(drawn[0])
    shifted = libero_simulator.queries.camera("agentview")[0].position
    again = libero_simulator.draw_start(5)
    np.testing.assert_array_equal(again.state, start.state)
    camera = libero_simulator.queries.camera("agentview")[0].position
    assert (camera != shifted).any(), "layouts are drawn for the camera in its place"
    again = add_looks(libero_simulator, again, 2, DEVELOPMENT_LOOKS)
    assert again.looks == first.looks
    np.testing.assert_array_equal(again.state, first.state)


@pytest.mark.libero
def test_a_stored_demonstration_is_rendered_as_it_was_seen(libero_simulator, drawn, tmp_path):
    changed = drawn[0]
    libero_simulator.begin(changed)
    states, seen = [], []
    for action in ACTIONS:
        states.append(libero_simulator.state())
        seen.append(observe_frames(libero_simulator))
        libero_simulator.step(action)
    demo = example_demo(
        actions=ACTIONS,
        labels=ACTIONS,
        states=np.stack(states),
        start=DemoStart(changed.state, changed.fixture_poses, changed.looks),
        **WITHOUT_FRAMES,
    )
    write_episode(tmp_path / "x.hdf5", demo, SceneDescription(), EpisodeDescription())
    (stored,) = read_demos(tmp_path / "x.hdf5")
    assert Looks.of(stored.start.looks) == Looks.of(changed.looks)
    libero_simulator.begin(drawn[1])
    rendered = render_demo(libero_simulator, stored)
    assert rendered.restored == 0
    np.testing.assert_array_equal(rendered.frames.agentview, [frames.agentview for frames in seen])
    np.testing.assert_array_equal(rendered.frames.wrist, [frames.wrist for frames in seen])


@pytest.mark.libero
def test_withheld_colours_are_drawn_again_and_counted(libero_simulator, start):
    asked = []

    def refuse_the_first_two(name, colour):
        asked.append((name, colour))
        if len(asked) <= 2:
            raise Withheld("too near")

    every = LooksSettings(probability=1.0, recolour_probability=1.0, most_paint=0.9, most_draws=2)
    looks = Looks.of(add_looks(libero_simulator, start, 0, every, refuse_the_first_two).looks)
    assert looks.refused == {WITHHELD: 2}
    assert [name for name, _ in asked[:3]] == ["akita_black_bowl", "akita_black_bowl", "cookies"]
    assert np.linalg.norm(asked[0][1] - asked[1][1]) > 1.0
    assert looks.things["akita_black_bowl"].recolouring is None, "a class whose draws are refused keeps its colour"
    assert looks.things["cookies"].recolouring is not None


@pytest.mark.libero
def test_what_is_shown_is_not_withheld(libero_simulator, drawn):
    scene = libero_simulator.looks
    for changed in drawn:
        libero_simulator.begin(changed)
        recoloured = {name for name, look in scene.shown.things.items() if look.recolouring is not None}
        assert set(scene.recoloured) == recoloured
        for name in recoloured:
            check_look(name, scene.colour(name))
    assert sum(sum(changed.looks["refused"].values()) for changed in drawn) > 0


@pytest.mark.libero
def test_the_renderer_gets_a_texture_that_was_changed(libero_simulator, start, own_frames):
    red = PartLook(Recolouring(paint=(1.0, 0.0, 0.0), share=1.0))
    table = Looks(surfaces={"table_texture": red}).values()
    frames = frames_of(libero_simulator, EpisodeStart(start.state, start.fixture_poses, table)).astype(int)

    def red_share(frames):
        return (frames[..., 0] > 3 * frames[..., 1:].max(axis=-1)).mean(axis=(1, 2))

    assert red_share(own_frames.astype(int)).max() < 0.05
    assert red_share(frames).min() > 0.3


@pytest.mark.libero
def test_equal_things_stay_equal_and_the_model_tells_the_colour(libero_simulator):
    scene = libero_simulator.looks
    painted = Recolouring(paint=(1.0, 0.0, 0.0), share=1.0)
    scene.show(Looks(things={"akita_black_bowl": PartLook(painted)}))
    np.testing.assert_allclose(scene.colour("akita_black_bowl"), [53.24, 80.09, 67.20], atol=0.01)
    assert scene.recoloured == ("akita_black_bowl",)
    assert len(scene.things["akita_black_bowl"].textures) == 2
    scene.show(Looks())
    assert scene.recoloured == ()


@pytest.mark.libero
def test_looks_of_another_task_are_refused(libero_simulator, start):
    elsewhere = Looks(things={"moka_pot": PartLook()}).values()
    with pytest.raises(ValueError, match=r"looks of another task change \['moka_pot'\] and 0 lights"):
        libero_simulator.begin(EpisodeStart(start.state, start.fixture_poses, json.loads(json.dumps(elsewhere))))
    with pytest.raises(ValueError, match="image = 'lava' is no texture of a surface; choose one of blue-wood"):
        libero_simulator.looks.show(Looks(surfaces={"table_texture": PartLook(image="lava")}))
    libero_simulator.looks.show(Looks())


def test_what_only_words_of_colour_tell_apart_keeps_its_colour():
    mugs = ("porcelain_mug", "white_yellow_mug", "plate")
    assert told_by_colour("put the white mug on the left plate", mugs) == {"porcelain_mug", "white_yellow_mug"}
    assert told_by_colour("put the left mug on the plate", mugs) == frozenset()
    assert told_by_colour("pick up the black bowl", ("akita_black_bowl", "plate")) == frozenset()

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eval_bridge.collection.rendering import RenderFile, part_path, render_demo, render_files
from eval_bridge.collection.session import CollectionPlan, collect
from rsd_jax.demos.demo import DemoFieldError
from rsd_jax.demos.libero_hdf5 import lacks_frames, read_demos, write_with_frames
from rsd_jax.run_folder import demo_path
from tests.eval_bridge.collection import collection_fakes as fakes
from tests.rsd_jax.demos.demo_examples import assert_same_demo


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """The same two demonstrations with and without images."""
    paths = {}
    for images in (True, False):
        folder = tmp_path_factory.mktemp(f"images_{images}")
        task = fakes.point_mass_task(images=images)
        collect([task], CollectionPlan(2, workers=1), folder, provenance={}, on_attempt=lambda task, attempt: None)
        paths[images] = demo_path(folder, "point_mass", "close_on_ball")
    return paths


def test_rendering_afterwards_gives_the_frames_that_recording_would_have_given(collected, tmp_path):
    path = tmp_path / "x_demo.hdf5"
    path.write_bytes(collected[False].read_bytes())
    assert lacks_frames(path)
    assert [demo.has_frames for demo in read_demos(path)] == [False, False]
    seen = []
    render_files([RenderFile(path, fakes.RecordablePointMass)], 2, lambda *told: seen.append(told))
    assert sorted(seen) == [(path, 0, 0), (path, 1, 0)]
    assert not lacks_frames(path)
    assert [demo.has_frames for demo in read_demos(path)] == [True, True]
    for demo, other in zip(read_demos(collected[True]), read_demos(path), strict=True):
        assert_same_demo(demo, other)
    assert [file.name for file in tmp_path.iterdir()] == ["x_demo.hdf5"]


def test_what_is_rendered_is_not_rendered_again(collected, tmp_path):
    path = tmp_path / "x_demo.hdf5"
    path.write_bytes(collected[False].read_bytes())
    file = RenderFile(path, fakes.RecordablePointMass)
    file.parts.mkdir()
    with_frames = tmp_path / "y_demo.hdf5"
    with_frames.write_bytes(collected[False].read_bytes())
    render_files([RenderFile(with_frames, fakes.RecordablePointMass)], 1, lambda *told: None)
    write_with_frames(with_frames, "demo_0", read_demos(with_frames)[0].require_frames(), part_path(file, 0))
    seen = []
    render_files([file], 1, lambda *told: seen.append(told[1]))
    assert seen == [1]
    assert not lacks_frames(path)
    assert [demo.has_frames for demo in read_demos(path)] == [True, True]


def test_a_replay_that_leaves_the_stored_states_is_put_back_onto_them(collected):
    demo = read_demos(collected[False])[0]
    moved = demo.states.copy()
    moved[5:, 1] += 0.01
    simulator = fakes.RecordablePointMass()
    rendered = render_demo(simulator, replace(demo, states=moved))
    assert rendered.restored == 1  # from there on the replay goes on from the moved state, as stored
    straight = render_demo(simulator, demo)
    np.testing.assert_array_equal(rendered.frames.agentview[:5], straight.frames.agentview[:5])
    assert straight.restored == 0


def test_demonstrations_without_states_are_refused(collected):
    demo = replace(read_demos(collected[False])[0], states=None)
    with pytest.raises(DemoFieldError, match="states"):
        render_demo(fakes.RecordablePointMass(), demo)

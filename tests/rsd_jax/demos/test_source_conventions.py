import dataclasses
import json

import numpy as np
import pytest

from rsd_jax.demos.demo import DemoFieldError
from rsd_jax.demos.frames import to_stored_size
from rsd_jax.demos.source_conventions import (
    AS_LIBERO_STORES,
    UPRIGHT_LIBERO,
    ActionBounds,
    SourceConventions,
    SourceEpisode,
    read_action_bounds,
    to_demo,
)


def _episode(gripper=(-1.0, 1.0), size=128, dtype=np.float32, **changes) -> SourceEpisode:
    frame = np.zeros((size, size, 3), np.uint8)
    frame[:8, :8] = 200  # a bright corner at the top left
    actions = np.zeros((2, 7), dtype)
    actions[:, 0], actions[:, 6] = (0.5, -0.25), gripper
    frames = (np.stack([frame, frame]), np.stack([frame, frame]))
    episode = SourceEpisode("libero_goal", "open", "open", actions, np.zeros((2, 8)), frames)
    return episode._replace(**changes)


def test_what_libero_stores_is_kept_to_the_bit():
    demo = to_demo(_episode(dtype=np.float64), AS_LIBERO_STORES)
    assert demo.actions.dtype == np.float32
    assert demo.actions[:, 0].tolist() == [0.5, -0.25]
    assert demo.actions[:, 6].tolist() == [-1.0, 1.0]
    assert demo.agentview[0, 0, 0, 0] == 200
    assert demo.labels is demo.actions
    assert (demo.states, demo.start, demo.seed) == (None, None, -1)


@pytest.mark.parametrize(
    ("convention", "opened", "closed"),
    [("libero", -1, 1), ("openvla", 1, 0), ("open_zero", 0, 1), ("open_one", 1, -1)],
)
def test_every_gripper_convention_becomes_minus_one_open_plus_one_closed(convention, opened, closed):
    conventions = dataclasses.replace(AS_LIBERO_STORES, gripper_convention=convention)
    demo = to_demo(_episode(gripper=(opened, closed)), conventions)
    assert demo.actions[:, 6].tolist() == [-1.0, 1.0]
    assert demo.actions[:, 0].tolist() == [0.5, -0.25]


def test_a_gripper_of_zeros_and_ones_that_was_declared_as_signed_is_refused():
    with pytest.raises(DemoFieldError, match=r"gripper commands 0 and 1.*declare 'openvla' .* or 'open_zero'"):
        to_demo(_episode(gripper=(0.0, 1.0)), AS_LIBERO_STORES)
    assert to_demo(_episode(gripper=(1.0, 1.0)), AS_LIBERO_STORES).actions[0, 6] == 1.0  # closed throughout


def test_upright_frames_are_turned_as_rendered():
    demo = to_demo(_episode(), UPRIGHT_LIBERO)
    for frames in demo.require_frames():
        assert frames[0, 127, 127, 0] == 200
        assert frames[0, 0, 0, 0] == 0
        assert frames.flags.c_contiguous


def test_larger_frames_are_reduced_as_rendered_ones_are():
    noise = np.random.default_rng(0).integers(0, 256, (2, 256, 256, 3), np.uint8)
    demo = to_demo(_episode(frames=(noise, noise)), UPRIGHT_LIBERO)
    np.testing.assert_array_equal(demo.agentview[1], to_stored_size(noise[1, ::-1, ::-1]))


def test_labels_are_converted_like_actions():
    labels = np.zeros((2, 7), np.float32)
    conventions = dataclasses.replace(AS_LIBERO_STORES, gripper_convention="openvla")
    demo = to_demo(_episode(gripper=(1, 1), labels=labels), conventions)
    assert demo.labels[:, 6].tolist() == [1.0, 1.0]
    assert demo.actions[:, 6].tolist() == [-1.0, -1.0]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        (
            {"frames": (np.zeros((2, 224, 224, 3), np.uint8),) * 2},
            "128 or 256 pixels can be stored. Resize the source",
        ),
        ({"frames": (np.zeros((2, 128, 128, 3), np.float32),) * 2}, "agentview: is float32"),
        ({"actions": np.zeros((2, 6), np.float32)}, r"actions: is float32 \(2, 6\); expected \[T, 7\]"),
        ({"proprio": np.zeros((2, 9))}, r"proprio: is float32 \(2, 9\)"),
    ],
)
def test_what_cannot_be_stored_names_the_field_and_the_fix(changes, rule):
    with pytest.raises(DemoFieldError, match=rule):
        to_demo(_episode(**changes), AS_LIBERO_STORES)


BOUNDS = ActionBounds(low=(-0.5,) * 6 + (0.0,), high=(0.5,) * 5 + (-0.5, 1.0), mask=(True,) * 6 + (False,))


def test_normalised_actions_get_their_units_back():
    """1 is the upper bound, -1 the lower, a dimension of one value is that value; the gripper was left out."""
    actions = np.array([[1, -1, 0, 0.5, 0, 1, 1]], np.float32)
    conventions = SourceConventions("as_rendered", "openvla", BOUNDS)
    demo = to_demo(_episode(actions=actions, proprio=np.zeros((1, 8)), frames=None), conventions)
    np.testing.assert_allclose(demo.actions, [[0.5, -0.5, 0, 0.25, 0, -0.5, -1]])


def test_bounds_are_read_from_openvlas_statistics(tmp_path):
    path = tmp_path / "dataset_statistics.json"
    action = {"q01": list(BOUNDS.low), "q99": list(BOUNDS.high), "mask": list(BOUNDS.mask), "min": [-1] * 7}
    path.write_text(json.dumps({"libero_goal_no_noops": {"action": action}}))
    assert read_action_bounds(path, "libero_goal_no_noops", "q01_q99") == BOUNDS
    with pytest.raises(ValueError, match=r"holds no q01_q99 statistics of the actions of 'bridge'"):
        read_action_bounds(path, "bridge", "q01_q99")
    with pytest.raises(ValueError, match=r"no min_max statistics .*KeyError\('max'\)"):
        read_action_bounds(path, "libero_goal_no_noops", "min_max")
    with pytest.raises(ValueError, match="kind='mean' must be one of q01_q99, min_max"):
        read_action_bounds(path, "libero_goal_no_noops", "mean")


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"image_orientation": "rotated"}, "must be one of 'as_rendered', 'upright'"),
        ({"gripper_convention": "robosuite"}, r"must be one of 'libero' \(-1 open, 1 closed\), 'openvla' \(1 open"),
        ({"source_hz": 10.0}, "source_hz=10: demonstrations hold 20 actions a second.*otherwise resample"),
    ],
)
def test_unknown_declarations_name_those_that_are_known(changes, rule):
    with pytest.raises(ValueError, match=rule):
        dataclasses.replace(AS_LIBERO_STORES, **changes)


def test_bounds_have_a_value_for_every_dimension():
    with pytest.raises(ValueError, match="bounds have 6, 7 and 7 values; need 7 each"):
        dataclasses.replace(BOUNDS, low=(0.0,) * 6)

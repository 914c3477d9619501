import numpy as np
import pytest

from eval_bridge.serving import harness_client, openpi_client
from eval_bridge.serving.client import ConventionSettings
from eval_bridge.serving.conventions import (
    SHORTEST_STATE,
    WireConventions,
    actions_from_wire,
    conventions_from,
    frame_from_wire,
    frame_to_wire,
    state_to_wire,
)

FRAME = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)


@pytest.mark.parametrize("rotation", [0, 180])
def test_frames_of_the_rendered_size_come_back_exactly(rotation):
    conventions = WireConventions(image_rotation=rotation)
    sent = frame_to_wire(FRAME, conventions)
    assert (sent[0, 0] == FRAME[-1, -1] if rotation else sent[0, 0] == FRAME[0, 0]).all()
    np.testing.assert_array_equal(frame_from_wire(sent, conventions), FRAME)


def test_other_sizes_are_resized_as_openpis_clients_do():
    from PIL import Image

    sent = frame_to_wire(FRAME, WireConventions(image_size=224))
    upright = Image.fromarray(np.ascontiguousarray(FRAME[::-1, ::-1]))
    np.testing.assert_array_equal(sent, np.asarray(upright.resize((224, 224), resample=Image.Resampling.BILINEAR)))
    assert frame_from_wire(sent, WireConventions()).shape == (256, 256, 3)


def test_a_rotation_beyond_half_a_turn_is_told_by_the_shortest_one():
    """A turn of 3 pi / 2 around x is one of -pi / 2; robosuite gives the former."""
    state = np.array([1, 2, 3, 1.5 * np.pi, 0, 0, 0.04, -0.04], np.float32)
    np.testing.assert_array_equal(state_to_wire(state, WireConventions()), state)
    shortest = state_to_wire(state, WireConventions(state_layout=SHORTEST_STATE))
    np.testing.assert_allclose(shortest, [1, 2, 3, -0.5 * np.pi, 0, 0, 0.04, -0.04], atol=1e-6)
    state[3] = 3.0
    np.testing.assert_array_equal(state_to_wire(state, WireConventions(state_layout=SHORTEST_STATE)), state)
    assert state_to_wire(state, WireConventions(state_layout="none")).shape == (0,)


@pytest.mark.parametrize(
    ("gripper", "sent", "executed"),
    [
        ("close_positive", [-1, 1], [-1, 1]),
        ("close_negative", [1, -1], [-1, 1]),
        ("close_01", [0, 1], [-1, 1]),
        ("open_01", [1, 0], [-1, 1]),
    ],
)
def test_grippers_open_at_minus_one_whatever_the_server_calls_it(gripper, sent, executed):
    actions = np.zeros((2, 7))
    actions[:, 6] = sent
    actions.flags.writeable = False
    assert actions_from_wire(actions, WireConventions(gripper=gripper))[:, 6].tolist() == executed


def test_so_many_actions_are_executed_as_declared():
    chunk = np.arange(70.0).reshape(10, 7)
    assert len(actions_from_wire(chunk, WireConventions())) == 10
    assert actions_from_wire(chunk, WireConventions(chunk_length=10, actions_executed=5))[-1, 0] == 28
    for declared in (WireConventions(chunk_length=8), WireConventions(actions_executed=11)):
        with pytest.raises(ValueError, match=r"have shape \(10, 7\); it must be"):
            actions_from_wire(chunk, declared)
    with pytest.raises(ValueError, match=r"\(7,\)"):
        actions_from_wire(chunk[0], WireConventions())
    for nonsense in ({"x": 1}, "none", [[1.0], [1.0, 2.0]]):
        with pytest.raises(ValueError, match="no array of numbers"):
            actions_from_wire(nonsense, WireConventions())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"image_rotation": 90}, "image_rotation=90 must be one of 0, 180"),
        ({"gripper": "open"}, "must be one of close_positive"),
        ({"state_layout": "joints"}, "must be one of position3_axisangle3_fingers2"),
        ({"image_size": 0}, "at least 1"),
        ({"chunk_length": 4, "actions_executed": 8}, "at most chunk_length=4"),
    ],
)
def test_impossible_conventions_are_named(wrong, said):
    with pytest.raises(ValueError, match=said):
        WireConventions(**wrong)


def test_of_a_servers_metadata_only_conventions_are_taken():
    declared = {"image_size": 224, "gripper": 3, "motto": "fast", "image_rotation": 0}
    assert conventions_from(declared) == {"image_size": 224, "image_rotation": 0}
    assert conventions_from(None) == {}


@pytest.mark.parametrize("usual", [harness_client.USUAL, openpi_client.USUAL])
def test_of_any_server_more_actions_can_be_executed_than_is_usual(usual):
    conventions = ConventionSettings(actions_executed=8).resolved({}, usual)
    assert (conventions.actions_executed, conventions.chunk_length) == (8, 0)

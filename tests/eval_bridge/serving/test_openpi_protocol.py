import numpy as np
import pytest

from eval_bridge.serving.array_messages import unpack_openpi
from tests.eval_bridge.serving.serving_examples import FRAME, OpenpiClient, TellingPolicy, counted, observation, served

OPENPI = {"harness_port": -1}


@pytest.fixture(scope="module")
def server():
    with served(**OPENPI) as (server, _):
        yield server


def test_the_server_speaks_first_and_declares_its_conventions(server):
    with OpenpiClient(server) as client:
        assert client.metadata["protocol"] == "openpi"
        assert client.metadata["decoder"] == "telling"
        assert client.metadata["conventions"] == {
            **{"image_size": 256, "image_rotation": 180, "state_layout": "position3_axisangle3_fingers2"},
            **{"gripper": "close_positive", "chunk_length": 4, "actions_executed": 0},
        }


def test_an_observation_gets_a_chunk_of_what_the_simulator_would_have_shown(server):
    with OpenpiClient(server) as client:
        client.send(observation(2.5))
        answer = unpack_openpi(client.receive())
        assert set(answer) == {"actions", "policy_timing", "server_timing"}
        assert (answer["actions"].dtype, answer["actions"].shape) == (np.float32, (4, 7))
        assert answer["actions"][0, :2].tolist() == [2.5, FRAME[0, 0, 0]]
        assert answer["policy_timing"]["infer_ms"] > 0
        client.send(observation())
        assert unpack_openpi(client.receive())["server_timing"]["prev_total_ms"] > 0


def test_without_a_word_about_resets_nothing_of_an_episode_reaches_the_next(server):
    """A client of openpi does not tell episodes apart: every chunk is decoded as if it were the first."""
    with OpenpiClient(server) as client:
        chunks = [client.act(observation()) for _ in range(3)]
    assert [chunk[0, 2] for chunk in chunks] == [0, 0, 0]
    assert [chunk[0, 3] for chunk in chunks] == [0, 1, 2]  # random numbers go on


def test_who_tells_resets_keeps_the_state_of_the_episode(server):
    resets = (True, False, False, True, False)
    with OpenpiClient(server) as client:
        chunks = [client.act(observation() | {"reset": reset}) for reset in resets]
    assert [chunk[0, 2] for chunk in chunks] == [0, 1, 2, 0, 1]
    assert [chunk[0, 3] for chunk in chunks] == [0, 1, 2, 0, 1]


def test_states_of_clients_do_not_mix(server):
    with OpenpiClient(server) as one, OpenpiClient(server) as other:
        states = [client.act(observation() | {"reset": False})[0, 2] for client in (one, one, other, one, other)]
    assert states == [0, 1, 0, 2, 1]


def test_episodes_and_clients_have_random_numbers_of_their_own():
    policy = TellingPolicy()
    with served(policy, **OPENPI) as (server, _):
        for _ in range(2):
            with OpenpiClient(server) as client:
                for reset in (True, False, True):
                    client.act(observation() | {"reset": reset})
    first, again, second, *_ = keys = policy.keys[1:]  # behind the call that compiles
    assert first == again
    assert len({*keys}) == 4
    assert second != first


def without(name):
    content = observation()
    del content[name]
    return content


WRONG = {
    "no image": (without("observation/image"), "observation/image is missing; it must be uint8 [256, 256, 3]"),
    "grey": (
        observation() | {"observation/wrist_image": FRAME[..., 0]},
        "observation/wrist_image is uint8 [256, 256]",
    ),
    "floats": (observation() | {"observation/image": FRAME / 255.0}, "observation/image is float64 [256, 256, 3]"),
    "oblong": (observation() | {"observation/image": FRAME[:100]}, "observation/image is uint8 [100, 256, 3]"),
    "no state": (without("observation/state"), "observation/state is missing; it must be 8 numbers"),
    "short state": (observation() | {"observation/state": np.zeros(7)}, "float64 [7]; it must be 8 numbers"),
    "nan": (observation(np.nan), "every number must be finite"),
    "huge": (observation(1e300), "every number must be finite"),
    "ragged": (observation() | {"observation/state": [[1], [1, 2], *[0] * 6]}, "is a list; it must be 8 numbers"),
    "words": (observation() | {"observation/state": list("abcdefgh")}, "is a list; it must be 8 numbers"),
    # As an array each text would take the room of the longest: terabytes, which no machine has.
    "long word": (observation() | {"observation/state": ["a" * 2_000_000, *[""] * 10**6]}, "is a list; it must be 8"),
    # Taking combined characters apart takes the square of their number.
    "long prompt": (observation(instruction="a" + "\u0301\u0316" * 500), "prompt has 1001 characters; at most 1000"),
    "no prompt": (without("prompt"), "prompt is missing; it must be a text"),
    "empty prompt": (observation(instruction=""), "it must have 1 to 32"),
    "reset": (observation() | {"reset": 1}, "reset is 1; it must be true"),
    "row": (observation() | {"reset": True, "rsd_jax": {"row": 4}}, "row is 4; it must be one of 0 to 3"),
    "long": (observation() | {"reset": "x" * 10**5}, "reset is 'xxxx"),
    "key": (observation() | {"reset": True, "rsd_jax": {"episode_key": [1]}}, "two whole numbers"),
    "a list": ([1, 2], "a message is a list; it must be a map"),
    "broken": (observation(instruction="fail"), "PolicyFailedError: the policy failed on this request"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_told_in_a_text_frame_and_ends_the_connection(server, name):
    content, said = WRONG[name]
    with OpenpiClient(server) as other, OpenpiClient(server) as client:
        client.send(content)
        told = client.receive()
        assert isinstance(told, str)
        assert said in told
        assert "/home" not in told
        assert "Traceback" not in told
        assert len(told) < 1100
        assert client.close_code() == 1011
        assert other.act(observation(7.0))[0, 0] == 7.0


def test_bytes_that_are_no_message_and_text_frames_are_mistakes_too(server):
    before = counted(server, "requests_total", protocol="openpi", outcome="refused")
    for sent, said in ((b"\xc1\xc1", "no message of msgpack"), ("hello", "a text frame came")):
        with OpenpiClient(server) as client:
            client.socket.send(sent)
            assert said in client.receive()
            assert client.close_code() == 1011
    assert counted(server, "requests_total", protocol="openpi", outcome="refused") == before + 2


def test_frames_of_other_sizes_are_resized_unless_that_is_forbidden(server):
    small = observation() | {"observation/image": np.full((224, 224, 3), 9, np.uint8)}
    with OpenpiClient(server) as client:
        assert client.act(small)[0, 1] == 9
    with served(**OPENPI, resizes_images=False) as (strict, _), OpenpiClient(strict) as client:
        client.send(small)
        assert "observation/image has sides of 224 pixels; it must have 256" in client.receive()


def test_details_are_for_those_who_ask(server):
    with OpenpiClient(server) as client:
        client.send(observation() | {"reset": True, "rsd_jax": {"row": 3, "episode_key": [5, 6]}})
        answer = unpack_openpi(client.receive())
    assert answer["actions"][0, 4] == 3
    assert answer["rsd_jax"] == {
        **{"rounds": 0, "looked": True, "accepted": [], "proposed": [], "first_run": [], "layout": [0, 0]}
    }

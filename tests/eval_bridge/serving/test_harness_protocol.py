import numpy as np
import pytest

from eval_bridge.serving.array_messages import MessageError
from eval_bridge.serving.harness_messages import HarnessMessage, read_message
from tests.eval_bridge.serving.serving_examples import (
    FRAME,
    HarnessClient,
    TellingPolicy,
    counted,
    observation,
    served,
)

HARNESS = {"openpi_port": -1}


@pytest.fixture(scope="module")
def policy():
    return TellingPolicy()


@pytest.fixture(scope="module")
def server(policy):
    with served(policy, **HARNESS) as (server, _):
        yield server


def test_hello_is_answered_by_what_the_policy_needs(server):
    with HarnessClient(server) as client:
        hello = client.hello
    assert hello["protocol_version"] == 1
    assert hello["observation_params"] == {
        **{"send_wrist_image": True, "send_state": True, "quat_no_antipodal": True, "env_seed": 0}
    }
    assert hello["action_spec"]["gripper"]["format"] == "binary_close_positive"
    assert set(hello["observation_spec"]) == {"agentview", "wrist", "state", "language"}
    assert hello["rsd_jax"]["conventions"]["chunk_length"] == 4


def test_every_observation_gets_one_action_of_the_servers_chunk(server, policy):
    calls = len(policy.batches)
    with HarnessClient(server) as client:
        actions = [client.act(number)["actions"] for number in range(6)]
    assert [action.shape for action in actions] == [(7,)] * 6
    # The fifth observation is the first that is looked at again.
    assert [action[0] for action in actions] == [0, 0, 0, 0, 4, 4]
    assert [action[5] for action in actions] == [0, 1, 2, 3, 0, 1]
    assert [action[2] for action in actions] == [0, 0, 0, 0, 1, 1]
    assert actions[0][1] == FRAME[0, 0, 0]
    assert len(policy.batches) == calls + 2
    assert counted(server, "requests_total", protocol="harness", outcome="buffered") >= 4


@pytest.mark.parametrize("ends", [True, False])
def test_an_episode_begins_with_a_chunk_and_a_state_of_its_own(server, ends):
    with HarnessClient(server) as client:
        for number in range(5):
            client.act(number)
        if ends:
            client.tell("episode_end", {"success": False})
        client.tell("episode_start", {"task": {}})
        action = client.act(9.0)["actions"]
    assert action[[0, 2, 3, 5]].tolist() == [9, 0, 0, 0]


def test_clients_have_chunks_and_states_of_their_own(server):
    with HarnessClient(server) as one, HarnessClient(server) as other:
        numbers = [client.act(number)["actions"][0] for client, number in ((one, 1), (other, 2), (one, 3), (other, 4))]
    assert numbers == [1, 2, 1, 2]


def test_fewer_actions_of_a_chunk_are_given_where_the_server_is_told_so():
    with served(**HARNESS, actions_executed=2) as (server, _), HarnessClient(server) as client:
        assert [client.act(number)["actions"][0] for number in range(5)] == [0, 0, 2, 2, 4]


def test_a_wrong_observation_is_told_and_the_next_one_answered(server):
    with HarnessClient(server) as client:
        missing = client.ask("observation", {"images": {}, "task_description": "go", "states": np.zeros(8)})
        assert missing.kind == "error"
        assert "observation_failed: MessageError: images.agentview is missing" in missing.payload["error"]
        png = {"__image__": True, "format": "png", "data": b"no png", "shape": [1, 1, 3]}
        images = {"agentview": png, "wrist": png}
        payload = {"images": images, "task_description": "go", "states": np.zeros(8)}
        assert "cannot be decoded" in client.ask("observation", payload).payload["error"]
        assert "the policy failed" in client.act(instruction="fail")["error"]
        assert client.act(3.0)["actions"][0] == 3


def test_images_may_come_raw(server):
    with HarnessClient(server) as client:
        image = np.ascontiguousarray(observation()["observation/image"])
        raw = {"__image__": True, "format": "raw", "data": image.tobytes(), "dtype": "|u1", "shape": [256, 256, 3]}
        payload = {"images": {"agentview": raw, "wrist": raw}, "task_description": "go", "states": [0.0] * 8}
        assert client.ask("observation", payload).payload["actions"][1] == FRAME[0, 0, 0]


@pytest.mark.parametrize("version", [2, True, np.array([1, 1])], ids=str)
def test_another_version_of_the_protocol_is_refused(server, version):
    with HarnessClient(server, begins=False) as client:
        client.socket.send(HarnessMessage("hello", {"protocol_version": version}, 5).packed())
        error = read_message(client.socket.recv()).payload["error"]
        assert f"protocol_version is {version!r}; this server speaks 1" in error


def test_a_type_that_is_an_array_is_told_like_any_other_nonsense():
    with pytest.raises(MessageError, match="must have one of the types"):
        read_message(HarnessMessage(np.array([1, 2]), {}, 1).packed())


@pytest.mark.parametrize(
    "sent",
    [b"\xc1", "text", HarnessMessage("dance", {}, 1).packed(), HarnessMessage("observation", [], 1).packed()],
    ids=["no msgpack", "text", "unknown type", "no payload"],
)
def test_what_is_no_message_is_told_and_ends_the_connection(server, sent):
    with HarnessClient(server) as client, HarnessClient(server) as other:
        client.socket.send(sent)
        told = read_message(client.socket.recv(timeout=20))
        assert told.kind == "error"
        assert "MessageError: " in told.payload["error"]
        assert other.act(8.0)["actions"][0] == 8


def test_an_episodes_words_are_checked(server):
    with HarnessClient(server) as client:
        answer = client.ask("episode_start", {"rsd_jax": {"row": 99}})
        assert "episode_start_failed: MessageError: rsd_jax.row is 99" in answer.payload["error"]
        client.tell("episode_start", {"rsd_jax": {"row": 2, "episode_key": [1, 2]}})
        first, second = client.act(), client.act()
    assert first["actions"][4] == 2
    assert first["rsd_jax"]["rounds"] == 0
    assert "rsd_jax" not in second

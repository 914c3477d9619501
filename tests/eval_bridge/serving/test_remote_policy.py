import contextlib
import gc
import json
import socket
import subprocess
import time

import pytest

from eval_bridge.evaluation.benchmarks import PointMassBenchmark
from eval_bridge.evaluation.chosen_policy import chosen_policy
from eval_bridge.evaluation.episode_log import EpisodeLog, read_episode_log
from eval_bridge.evaluation.plan import EvaluationPlan
from eval_bridge.evaluation.session import WorkerSettings, run_evaluation
from eval_bridge.evaluation.settings import EvaluationSettings
from eval_bridge.policies.interface import PolicyRequest
from eval_bridge.policies.observation_needs import select_observation
from eval_bridge.serving.client import ConventionSettings, PolicyServerError
from eval_bridge.serving.remote_policy import RemotePolicy
from eval_bridge.serving.server_address import ServerAddress, is_address, read_address
from launch.config_flags import parse_config
from rsd_jax.registry import to_dataclass
from tests.eval_bridge.serving.peers.simulator_door import PROGRAMS, PYTHON, needs_clients
from tests.eval_bridge.serving.serving_examples import FRAME, TellingPolicy, as_seen, served
from tests.running_processes import wait_until

PLAN = EvaluationPlan((0,), 4, seed=7, latency_repeats=0)
IDENTITY = {"suite": "point_mass", "simulator": "point_mass", "decoder": "telling", "seed": 7, "step_limit": 60}
PROTOCOLS = ("openpi", "harness")


def address_of(server, protocol):
    return ServerAddress(protocol, server.addresses[protocol])


def records_of(policy, folder):
    """Episodes of the point mass by two workers, without what depends on the clock."""
    with EpisodeLog(folder / "episodes.jsonl", IDENTITY) as log:
        run_evaluation(PointMassBenchmark, policy, PLAN, log, lambda record: None, WorkerSettings(2))
        records = log.contents.episodes
    assert len(records) == 4
    return {
        key: (record.decoder, record.rollout._replace(seconds=0.0, chunk_seconds=()))
        for key, record in records.items()
    }


def test_an_evaluation_behind_a_server_gives_the_records_of_one_in_process(tmp_path):
    """By both protocols, with the same rows, random keys and states; four episodes by two workers on four rows."""
    in_process, behind = TellingPolicy(), TellingPolicy()
    expected = records_of(in_process, tmp_path)
    with served(behind) as (server, _):
        for protocol in PROTOCOLS:
            folder = tmp_path / protocol
            folder.mkdir()
            behind.keys.clear()
            with RemotePolicy(address_of(server, protocol), ConventionSettings()) as remote:
                assert (remote.decoder, remote.batch_size) == ("telling", 4)
                assert records_of(remote, folder) == expected
            assert set(behind.keys) == set(in_process.keys)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_episode_gives_its_connection_back_before_the_next_one_takes_another(protocol, tmp_path):
    """A worker needs one at a time: as many clients as workers are enough."""
    with (
        served(limits={"max_clients": 2}) as (server, _),
        RemotePolicy(address_of(server, protocol), ConventionSettings()) as remote,
    ):
        records_of(remote, tmp_path)


class LeavingPolicy(TellingPolicy):
    """Its server is told to stop in the middle of an evaluation."""

    def act_batch(self, requests):
        if len(self.batches) == 30:
            self.leave()
        return super().act_batch(requests)


def test_a_server_that_goes_away_ends_the_evaluation_and_another_one_ends_it_well(tmp_path):
    leaving = LeavingPolicy()
    with (
        served(leaving) as (server, leaving.leave),
        RemotePolicy(address_of(server, "openpi"), ConventionSettings()) as remote,
        # The row that asks next has its connection ended, or is about to make one.
        pytest.raises(PolicyServerError, match=r"ended the connection|cannot be reached"),
    ):
        records_of(remote, tmp_path)
    assert read_episode_log(tmp_path / "episodes.jsonl").errors == []
    with served() as (server, _), RemotePolicy(address_of(server, "openpi"), ConventionSettings()) as remote:
        found = records_of(remote, tmp_path)
    (tmp_path / "in_process").mkdir()
    assert found == records_of(TellingPolicy(), tmp_path / "in_process")


def request(number=0.0, episode=(1, 2), state=None, instruction="go"):
    return PolicyRequest(
        select_observation(as_seen(number, instruction), RemotePolicy.observation_needs), episode, 0, state
    )


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_episode_keeps_its_connection_and_gives_it_back_at_its_end(protocol):
    with served() as (server, _), RemotePolicy(address_of(server, protocol), ConventionSettings()) as remote:
        answers = remote.act_batch({0: request(1.0), 3: request(2.0, (3, 4))})
        assert [(answer.output.actions[0, [0, 2, 4]]).tolist() for answer in answers.values()] == [
            [1, 0, 0],
            [2, 0, 3],
        ]
        later = remote.act_batch({row: request(5.0, state=answers[row].state) for row in (3, 0)})
        assert [later[row].output.actions[0, 2] for row in (3, 0)] == [1, 1]  # each one's second chunk
        assert len(remote._clients) == 2
        del answers, later
        gc.collect()
        again = remote.act_batch({row: request(7.0) for row in (1, 2)})
        assert [answer.output.actions[0, 2] for answer in again.values()] == [0, 0]
        assert len(remote._clients) == 2


class PretendedCascade(TellingPolicy):
    decoder = "cascade"


def test_a_served_decoder_that_cannot_act_so_is_refused_as_in_process():
    with served(PretendedCascade()) as (server, _):
        asked = ["--config", "configs/libero_eval.py", f"--config.policy={server.addresses['openpi']}"]
        with chosen_policy(read_settings([*asked, "--config.execution=hold", "--config.delay=2"])) as chosen:
            assert chosen.policy.decoder == "cascade"
        asynchronous = read_settings([*asked, "--config.execution=async", "--config.delay=2"])
        refused = pytest.raises(ValueError, match="decoder=cascade compares chunks that are executed whole")
        with refused, chosen_policy(asynchronous):
            pass


def read_settings(arguments):
    return to_dataclass(EvaluationSettings, parse_config(arguments).to_dict())


def test_what_a_server_says_of_itself_names_the_policy_in_records():
    with served() as (server, _), RemotePolicy(address_of(server, "openpi"), ConventionSettings()) as remote:
        identity = remote.identity
    assert identity["policy.address"] == server.addresses["openpi"]
    assert json.loads(identity["policy.metadata"])["decoder"] == "telling"
    assert json.loads(identity["policy.conventions"])["image_size"] == 256


def test_the_policys_trouble_and_the_servers_end_are_errors_of_the_server():
    with served() as (server, end):
        harness, openpi = (address_of(server, protocol) for protocol in ("harness", "openpi"))
        with RemotePolicy(harness, ConventionSettings()) as one, RemotePolicy(openpi, ConventionSettings()) as other:
            with pytest.raises(PolicyServerError, match="the policy's server failed: observation_failed"):
                one.act_batch({0: request(instruction="fail")})
            end()
            wait_until(lambda: not still_listens(server), 20)
            with pytest.raises(PolicyServerError, match="ended the connection"):
                other.act_batch({0: request()})


def test_an_answer_that_nobody_took_is_nobody_elses():
    """One of two fails: the other's answer comes, and its connection must not serve another question."""
    with served() as (server, _), RemotePolicy(address_of(server, "openpi"), ConventionSettings()) as remote:
        with pytest.raises(PolicyServerError, match="the policy failed on this request"):
            remote.act_batch({0: request(instruction="fail"), 1: request(5.0)})
        assert remote.act_batch({1: request(6.0)})[1].output.actions[0, 0] == 6


def still_listens(server):
    host, port = server.addresses["openpi"].removeprefix("ws://").rstrip("/").split(":")
    with contextlib.closing(socket.socket()) as probe:
        return probe.connect_ex((host, int(port))) == 0


def test_a_server_that_is_not_there_refuses_or_says_nothing_is_named():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
    with pytest.raises(PolicyServerError, match=f"ws://127.0.0.1:{port} cannot be reached .*start the server first"):
        RemotePolicy(ServerAddress("openpi", f"ws://127.0.0.1:{port}"), ConventionSettings())
    with served(limits={"max_clients": 1}) as (server, _):
        openpi = address_of(server, "openpi")
        full = pytest.raises(PolicyServerError, match=r"HTTP 503: 1 clients are connected.*limits\.max_clients")
        with RemotePolicy(openpi, ConventionSettings()), full:
            RemotePolicy(openpi, ConventionSettings())
    with served(token="secret") as (server, _):
        with pytest.raises(PolicyServerError, match=r"refuses to be connected .*RSD_SERVE_TOKEN"):
            RemotePolicy(address_of(server, "openpi"), ConventionSettings())
        with RemotePolicy(address_of(server, "openpi"), ConventionSettings(), token="secret") as remote:
            assert remote.act_batch({0: request(1.0)})[0].output.actions[0, 0] == 1
    with socket.create_server(("127.0.0.1", 0)) as mute:  # takes connections, and never says a word
        address = ServerAddress("openpi", f"ws://127.0.0.1:{mute.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(PolicyServerError, match=r"did not answer within 0\.3 s"):
            RemotePolicy(address, ConventionSettings(), reply_limit=0.3)
        assert time.monotonic() - began < 8  # the library's own limit is 10 s
    with served() as (server, _):  # speaks second there, while we wait for it to speak first
        address = ServerAddress("openpi", server.addresses["harness"])
        with pytest.raises(PolicyServerError, match=r"did not answer within 0\.3 s"):
            RemotePolicy(address, ConventionSettings(), reply_limit=0.3)


def test_conventions_that_are_declared_come_before_those_that_are_told():
    declared = ConventionSettings(gripper="close_negative", actions_executed=2)
    with served() as (server, _), RemotePolicy(address_of(server, "openpi"), declared) as remote:
        assert (remote.conventions.gripper, remote.conventions.image_size) == ("close_negative", 256)
        assert remote.act_batch({0: request()})[0].output.actions.shape == (2, 7)
        with pytest.raises(ValueError, match="must be at most chunk_length=4"):
            RemotePolicy(address_of(server, "openpi"), ConventionSettings(actions_executed=9))


@contextlib.contextmanager
def foreign_server(name):
    process = subprocess.Popen([str(PYTHON), str(PROGRAMS / f"{name}.py")], stdout=subprocess.PIPE, text=True)
    try:
        port = int(process.stdout.readline())
        yield f"ws://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@needs_clients
def test_a_server_of_openpi_is_asked_as_openpis_own_example_does():
    with (
        foreign_server("openpi_server") as url,
        RemotePolicy(ServerAddress("openpi", url), ConventionSettings()) as remote,
    ):
        assert (remote.decoder, remote.batch_size) == ("openpi", 32)
        assert json.loads(remote.identity["policy.metadata"]) == {
            "name": "a foreign policy",
            "norm": "np.float32(0.5)",
        }
        chunk = remote.act_batch({0: request(2.5)})[0].output
        # Frames of 224 pixels, upright: the last pixel is about the first as rendered. Four keys and no other.
        assert chunk.actions[0, :2].tolist() == [2.5, 224]
        assert abs(chunk.actions[0, 2] - float(FRAME[0, 0, 0])) < 4
        assert chunk.actions[:, 3:5].tolist() == [[4, step] for step in range(5)]
        assert chunk.rounds == 0
        with pytest.raises(PolicyServerError, match="out of memory"):
            remote.act_batch({0: request(instruction="fail")})


@needs_clients
def test_a_server_of_the_harness_is_asked_as_the_harness_does():
    with foreign_server("harness_server") as url:
        address, conventions = ServerAddress("harness", url), ConventionSettings(actions_executed=3)
        with connected(address, ConventionSettings()) as remote:
            assert remote.conventions.gripper == "close_01"
            assert remote.conventions.state_layout == "position3_shortestaxisangle3_fingers2"
            answer = remote.act_batch({0: request(2.5)})[0]
            assert answer.output.actions.tolist() == [[2.5, FRAME[-1, -1, 0], 256, 1, 0, 2, 1]]
            for number in (3.0, 4.0, 5.0):  # the server's chunk of three actions, then a new one
                answer = remote.act_batch({0: request(number, state=answer.state)})[0]
            assert answer.output.actions[0, [0, 3, 4]].tolist() == [5, 2, 3]
        with connected(address, conventions) as remote:
            chunk = remote.act_batch({0: request(6.0)})[0].output.actions
            assert chunk[:, [0, 3]].tolist() == [[6, 3]] * 3


def connected(address, conventions):
    """Once the server listens: it prints its port before."""
    for _ in range(1000):
        with contextlib.suppress(PolicyServerError):
            return RemotePolicy(address, conventions)
        time.sleep(0.05)
    raise AssertionError(f"{address} never listened")


def test_addresses_are_read_as_people_write_them():
    assert read_address("ws://host:8000", "harness") == ServerAddress("harness", "ws://host:8000")
    assert read_address("wss://host/path", "openpi") == ServerAddress("openpi", "wss://host/path")
    assert read_address("harness://host:8001", "openpi") == ServerAddress("harness", "ws://host:8001")
    assert is_address("ws://host")
    assert not is_address("mine")
    with pytest.raises(ValueError, match="must be one of openpi, harness"):
        read_address("ws://host:8000", "grpc")
    for wrong in ("http://host:8000", "ws://"):
        with pytest.raises(ValueError, match="write ws://HOST:PORT"):
            read_address(wrong, "openpi")


@pytest.mark.parametrize("address", ["ws://any:secret@host:8000/path", "harness://secret@host"])
def test_a_token_in_an_address_is_refused_and_not_repeated(address):
    """Addresses are written into records and names of folders."""
    with pytest.raises(ValueError, match=r"policy=wss?://\*\*\*@host.*RSD_SERVE_TOKEN") as refused:
        read_address(address, "openpi")
    assert "secret" not in str(refused.value)
    assert read_address("ws://host/a@b", "openpi").url == "ws://host/a@b"

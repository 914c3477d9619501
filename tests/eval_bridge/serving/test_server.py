import asyncio
import contextlib
import gc
import json
import socket
import threading
import time
from types import SimpleNamespace

import pytest
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from eval_bridge.serving.admission import shown_token
from eval_bridge.serving.array_messages import unpack_openpi
from eval_bridge.serving.server import running_server
from eval_bridge.serving.service import Service
from eval_bridge.serving.settings import ServingLimits, ServingSettings
from tests.campaigns.raw_websocket import connected
from tests.eval_bridge.serving.serving_examples import (
    HarnessClient,
    OpenpiClient,
    TellingPolicy,
    counted,
    get,
    metadata,
    observation,
    served,
)
from tests.running_processes import wait_until


def test_health_and_metrics_are_told_over_http():
    with served() as (server, _):
        assert get(server, "/healthz") == (200, "OK\n")
        status, text = get(server, "/health", "harness")
        assert (status, json.loads(text)) == (200, {"status": "ok"})
        with OpenpiClient(server) as client:
            client.act(observation())
            text = get(server, "/metrics", "harness")[1]
        assert 'rsd_serve_requests_total{outcome="answered",protocol="openpi"} 1.0' in text
        assert 'rsd_serve_clients{protocol="openpi"} 1.0' in text
        assert 'rsd_serve_call_rows_bucket{le="1.0"} 1.0' in text
        status, text = get(server, "/elsewhere")
        assert status == 404
        assert "/openpi, /harness" in text


def test_one_port_serves_both_protocols_by_the_path():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with served(openpi_port=port, harness_port=port) as (server, _):
        assert server.addresses == {"openpi": f"ws://127.0.0.1:{port}/", "harness": f"ws://127.0.0.1:{port}/harness"}
        with OpenpiClient(server) as one, HarnessClient(server) as other:
            assert one.act(observation(1.0))[0, 0] == other.act(1.0)["actions"][0] == 1


def test_a_protocol_that_is_left_out_is_not_spoken_at_the_others_port():
    with served(harness_port=-1) as (server, _):
        status, text = get(server, "/harness")
        assert status == 404
        assert "/openpi, /healthz" in text
        assert get(server, "/health") == (200, '{"status": "ok"}\n')


def test_a_port_in_use_is_an_error_and_the_other_one_is_free_again():
    with socket.create_server(("127.0.0.1", 0)) as used, socket.create_server(("127.0.0.1", 0)) as free:
        busy, port = used.getsockname()[1], free.getsockname()[1]
        free.close()
        with pytest.raises(OSError, match="in use"), served(openpi_port=port, harness_port=busy):
            raise AssertionError("it must not open")
        socket.create_server(("127.0.0.1", port)).close()


def test_a_token_is_asked_for_where_there_is_one():
    with served(token="secret") as (server, _):
        twice = [("Authorization", "Api-Key secret"), ("Authorization", "Api-Key other")]
        for headers in (None, {"Authorization": "Api-Key other"}, {"Authorization": "Basic !"}, twice):
            with pytest.raises(InvalidStatus) as refused:
                OpenpiClient(server, headers)
            assert refused.value.response.status_code == 401
        assert counted(server, "turned_away_total", reason="token") == 4
        with OpenpiClient(server, {"Authorization": "Api-Key secret"}) as client:
            assert client.act(observation(1.0))[0, 0] == 1
        with_password = server.addresses["harness"].replace("ws://", "ws://any:secret@")
        with connect(with_password, compression=None):
            pass
        assert get(server, "/healthz")[0] == 200


def test_bytes_that_are_no_text_are_a_wrong_token():
    asks = b"GET / HTTP/1.1\r\nHost: here\r\nAuthorization: %b\r\n\r\n"  # an upgrade comes behind the token
    with served(token="secret") as (server, _):
        for shown, status in ((b"Api-Key \xff", b"401"), (b"Basic \xff", b"401"), (b"Api-Key secret", b"426")):
            with connected(server.addresses["openpi"]) as connection:
                connection.sendall(asks % shown)
                assert connection.recv(4096).split()[1] == status


@pytest.mark.parametrize("token", ["k\u00e4se", "two\nlines", " "])
def test_a_token_that_no_header_can_hold_is_named(token):
    with pytest.raises(ValueError, match="RSD_SERVE_TOKEN must be printable ASCII"), served(token=token):
        pass


def test_tokens_are_read_as_clients_show_them():
    assert shown_token(Headers(Authorization="Api-Key a b")) == "a b"
    assert shown_token(Headers(Authorization="Bearer x")) == "x"
    assert shown_token(Headers(Authorization="basic YW55OnNlY3JldA==")) == "secret"
    assert shown_token(Headers()) == ""


def test_no_page_of_a_browser_may_connect():
    with served() as (server, _), pytest.raises(InvalidStatus) as refused:
        OpenpiClient(server, {"Origin": "http://somewhere.example"})
    assert refused.value.response.status_code == 403


def test_clients_beyond_the_limit_are_turned_away_until_one_goes():
    with served(limits={"max_clients": 1}) as (server, _):
        with OpenpiClient(server) as client:
            with pytest.raises(InvalidStatus) as refused:
                HarnessClient(server)
            assert refused.value.response.status_code == 503
            assert b"--config.limits.max_clients" in refused.value.response.body
            assert client.act(observation(1.0))[0, 0] == 1
        wait_until(lambda: counted(server, "clients", protocol="openpi") == 0, 20)
        with HarnessClient(server) as other:
            assert other.act(2.0)["actions"][0] == 2


def test_a_frame_beyond_the_limit_ends_its_connection_alone():
    limits = {"max_frame_bytes": 500_000}
    with served(limits=limits) as (server, _), OpenpiClient(server) as client, OpenpiClient(server) as other:
        with contextlib.suppress(ConnectionClosed):
            client.socket.send(bytes(600_000))
        assert client.close_code() == 1009
        assert other.act(observation(1.0))[0, 0] == 1


def test_a_client_that_takes_no_bytes_is_dropped():
    class Stuck:
        transport = SimpleNamespace(abort=lambda: dropped.append(True))

        async def send(self, message):
            await asyncio.sleep(60)

    dropped = []
    asyncio.run(asyncio.wait_for(Service(None, None, None, None, send_limit=0.05).send(Stuck(), b"answer"), 20))
    assert dropped == [True]


def test_what_was_asked_for_is_answered_before_a_server_ends():
    gate = threading.Event()
    with (
        served(TellingPolicy(gate=gate)) as (server, end),
        OpenpiClient(server) as asks,
        HarnessClient(server) as idles,
        contextlib.ExitStack() as stack,
    ):
        stack.callback(gate.set)
        asks.send(observation(5.0))
        wait_until(lambda: len(server.service.sessions.policy.batches) == 2, 20)
        end()
        wait_until(lambda: server.service.is_draining, 20)
        assert get(server, "/healthz")[0] == 503
        with pytest.raises(InvalidStatus) as refused:
            OpenpiClient(server)
        assert refused.value.response.status_code == 503
        time.sleep(0.05)
        gate.set()
        assert unpack_openpi(asks.receive())["actions"][0, 0] == 5
        assert asks.close_code() == 1001
        with pytest.raises(ConnectionClosed) as closed:
            idles.socket.recv(timeout=20)
        assert closed.value.rcvd.code == 1001


def test_a_server_that_ends_takes_no_request_of_a_client_that_it_waited_for():
    """What comes in the moment in which it begins to end is as late as what comes after."""

    class Asking:
        async def recv(self):
            service.is_draining = True
            return b"request"

        async def close(self, code, reason):
            closed.append(code)

    service, closed = Service(None, None, None, None, send_limit=1.0), []
    assert asyncio.run(service.next_message(Asking())) is None
    assert closed == [1001]


@pytest.mark.parametrize("turns", range(5))
def test_who_connects_in_the_moment_in_which_a_server_ends_is_let_go(turns):
    """After any number of the loop's turns, in which it is accepted, gets a transport, and has one."""
    policy, settings = TellingPolicy(), ServingSettings(openpi_port=0, harness_port=0)

    async def serve_and_end():
        async with running_server(policy, settings, lambda conventions: metadata(policy, conventions), "") as server:
            hosts = [address.removeprefix("ws://").rstrip("/").split(":") for address in server.addresses.values()]
            clients = [
                socket.create_connection((host, int(port)), timeout=20) for host, port in hosts for _ in range(5)
            ]
            for _ in range(turns):
                await asyncio.sleep(0)
        return clients

    clients = asyncio.run(serve_and_end())
    gc.collect()  # which warns of what was not closed
    for client in clients:
        with client, contextlib.suppress(ConnectionResetError):
            while client.recv(1000):
                pass


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"openpi_port": 70000}, "openpi_port=70000 must be a port"),
        ({"openpi_port": -1, "harness_port": -1}, "nobody could connect"),
        ({"batch_wait": -1.0}, "must not be negative"),
    ],
)
def test_impossible_settings_are_named(wrong, said):
    with pytest.raises(ValueError, match=said):
        ServingSettings(**wrong)


def test_impossible_limits_are_named():
    with pytest.raises(ValueError, match=r"limits\.max_clients=0 must be above 0"):
        ServingLimits(max_clients=0)

import os
import signal
import sys
import threading

import pytest

from eval_bridge.policies import compiled_policy
from eval_bridge.serving.server import RunningServer
from launch import serve
from launch.config_flags import parse_config, run
from tests.eval_bridge.serving.serving_examples import OpenpiClient, TellingPolicy, get, observation


@pytest.fixture
def loaded(monkeypatch):
    """A policy in place of every checkpoint, and how it was asked for."""
    asked = {}

    def load(run_dir, decoder, batch_size, settings):
        asked.update(run_dir=run_dir, decoder=decoder, batch_size=batch_size, settings=settings)
        return TellingPolicy(batch_size)

    monkeypatch.setattr(compiled_policy.CompiledPolicy, "load", load)
    return asked


def give_up(*_):
    raise TimeoutError("the server did not stop")


def test_the_command_serves_until_it_is_told_to_stop(loaded, monkeypatch, capsys):
    """The shipped checkpoint's name and digests, a policy that stands in for it, and SIGTERM while a client idles."""
    seen, ports = {}, {}

    def use(addresses):
        ports.update(addresses)
        client.start()

    def talk():
        server = RunningServer(ports, None)
        try:
            with OpenpiClient(server, {"Authorization": "Api-Key secret"}) as openpi:
                seen["metadata"] = openpi.metadata
                seen["number"] = openpi.act(observation(3.0))[0, 0]
                seen["health"] = get(server, "/health", "harness")
                os.kill(os.getpid(), signal.SIGTERM)
                seen["closed"] = openpi.close_code()
        finally:
            if "closed" not in seen:
                os.kill(os.getpid(), signal.SIGTERM)

    client = threading.Thread(target=talk)
    monkeypatch.setenv("RSD_SERVE_TOKEN", "secret")
    monkeypatch.setattr(serve, "_tell", use)
    ports_free = ("--config.openpi_port=0", "--config.harness_port=0", "--config.policy_batch=2")
    monkeypatch.setattr(sys, "argv", ["launch.serve", "--config", "configs/serve.py", *ports_free])
    previous = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(60)
    try:
        run(serve.main)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
    client.join()  # which may hear of the end after the server has ended
    assert loaded["batch_size"] == 2
    assert seen["number"] == 3
    assert seen["closed"] == 1001
    assert seen["health"][0] == 200
    assert seen["metadata"]["policy_batch"] == 2
    assert set(seen["metadata"]["checkpoint"]) == {"rfsq", "policy", "draft", "main_head"}


def test_addresses_are_told(capsys):
    serve._tell({"openpi": "ws://127.0.0.1:8000/", "harness": "ws://127.0.0.1:8001/"})
    assert capsys.readouterr().out.splitlines() == ["openpi   ws://127.0.0.1:8000/", "harness  ws://127.0.0.1:8001/"]


def test_variants():
    assert parse_config(["--config", "configs/serve.py"]).host == "127.0.0.1"
    tiny = parse_config(["--config", "configs/serve.py:tiny"])
    assert (tiny.openpi_port, tiny.harness_port, tiny.run_dir) == (0, 0, "runs/tiny")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("--config.openpi_port=99999", "openpi_port=99999 must be a port"),
        ("--config.limits.max_clients=0", "limits.max_clients=0 must be above 0"),
        ("--config.run_dir=/nowhere", "/nowhere"),
        ("--config.decoder=greedy", "choose one of"),
        ("--config.actions_executed=9", "actions_executed=9 must be at most chunk_length=4"),
    ],
)
def test_impossible_values_have_clear_errors(loaded, monkeypatch, override, message):
    ports_free = ("--config.openpi_port=0", "--config.harness_port=0")
    monkeypatch.setattr(sys, "argv", ["launch.serve", *ports_free, override])
    with pytest.raises(SystemExit) as error:
        run(serve.main, default="configs/serve.py")
    assert message in str(error.value)

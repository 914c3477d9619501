"""Clients of the benchmark of serving: processes that ask a server of openpi's protocol, without JAX."""

import time
from multiprocessing.connection import Connection

from eval_bridge.serving.client import Wire
from eval_bridge.serving.conventions import WireConventions
from eval_bridge.serving.openpi_messages import observation_message, read_map
from tests.campaigns.honest_clients import observation_of

OBSERVATIONS = 4


class AskingClient:
    """A connection that asks the same observations in turn, as openpi's client does."""

    def __init__(self, address: str) -> None:
        self._wire, self._asked = Wire(address, "", 60.0), 0
        self._observations = [observation_of(number) for number in range(OBSERVATIONS)]
        read_map(self._wire.receive())
        self.ask()

    def ask(self) -> None:
        """From an observation to a chunk of actions."""
        self._asked += 1
        observation = self._observations[self._asked % OBSERVATIONS]
        self._wire.send(observation_message(observation, WireConventions()))
        assert read_map(self._wire.receive())["actions"].shape[1] == 7

    def close(self) -> None:
        self._wire.close()


def time_asks(address: str, owner: Connection) -> None:
    """Asks as often as its owner says, again and again, and sends it the seconds of each; 0 ends it."""
    client = AskingClient(address)
    owner.send([])
    while count := owner.recv():
        seconds = []
        for _ in range(count):
            began = time.perf_counter()
            client.ask()
            seconds.append(time.perf_counter() - began)
        owner.send(seconds)
    client.close()


def count_asks(address: str, owner: Connection) -> None:
    """Once its owner says so, asks without pause for as many seconds as it says, and sends it how often."""
    client = AskingClient(address)
    owner.send(0)
    seconds = owner.recv()
    until, count = time.perf_counter() + seconds, 0
    while time.perf_counter() < until:
        client.ask()
        count += 1
    owner.send(count)
    client.close()

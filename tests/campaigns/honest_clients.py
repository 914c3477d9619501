"""Clients that do nothing wrong: they ask without pause, one of them until it is killed."""

import threading
import time
from typing import Any

import numpy as np

from eval_bridge.policies.interface import PolicyRequest
from eval_bridge.policies.observation_needs import PolicyObservation
from eval_bridge.serving.client import ConventionSettings
from eval_bridge.serving.remote_policy import RemotePolicy
from eval_bridge.serving.server_address import ServerAddress


def observation_of(number: int) -> PolicyObservation:
    """One of the observations that witnesses and hostile clients send."""
    rng = np.random.default_rng(number)
    frames = tuple(rng.integers(0, 256, (256, 256, 3), dtype=np.uint8) for _ in range(2))
    return PolicyObservation(frames, rng.normal(size=8).astype(np.float32), "pick up the black bowl")


class Witness:
    """A client that does nothing wrong, in a thread: it asks the same questions until it is stopped."""

    QUESTIONS = 3

    def __init__(self, address: ServerAddress) -> None:
        """Learns the answers."""
        self._address = address
        self._requests = [PolicyRequest(observation_of(number), (number, 1)) for number in range(self.QUESTIONS)]
        with self._connect() as policy:
            self._expected = [self._ask(policy, number) for number in range(self.QUESTIONS)]
        self.answers = self.changed = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> None:
        """Ends it."""
        self._stop.set()
        self._thread.join()

    def _connect(self) -> RemotePolicy:
        return RemotePolicy(self._address, ConventionSettings(), reply_limit=60.0)

    def _ask(self, policy: RemotePolicy, number: int) -> Any:
        return policy.act_batch({0: self._requests[number]})[0].output.actions.copy()

    def _watch(self) -> None:
        number = 0
        while not self._stop.is_set():
            try:
                with self._connect() as policy:
                    while not self._stop.is_set():
                        number = (number + 1) % self.QUESTIONS
                        found = self._ask(policy, number)
                        self.answers += 1
                        self.changed += not np.array_equal(found, self._expected[number])
            except (OSError, ValueError):  # no answer is another answer
                self.changed += 1
                time.sleep(0.1)


def talk(address: str, protocol: str, owner: Any) -> None:
    """Asks until its process is killed; tells its owner when it is connected."""
    with RemotePolicy(ServerAddress(protocol, address), ConventionSettings()) as policy:
        owner.send("connected")
        state = None
        for call in range(10**6):
            request = PolicyRequest(observation_of(call % 3), (0, 0), call, state)
            state = policy.act_batch({0: request})[0].state

"""A policy whose answers a reader can follow by hand, a server of it in a thread, and the simplest clients."""

import asyncio
import contextlib
import threading
import urllib.error
import urllib.request

import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from eval_bridge.observations import Observation
from eval_bridge.policies.interface import PolicyAnswer, output_without_tokens
from eval_bridge.serving.array_messages import pack_openpi, unpack_openpi
from eval_bridge.serving.harness_messages import HarnessMessage, read_message
from eval_bridge.serving.metadata import ServedMetadata
from eval_bridge.serving.server import running_server
from eval_bridge.serving.settings import ServingLimits, ServingSettings
from rsd_jax.observation_needs import ObservationNeeds

FRAME = np.arange(256 * 256 * 3, dtype=np.uint32).astype(np.uint8).reshape(256, 256, 3)


class TellingPolicy:
    """Chunks of four actions that tell what they were made of: what was seen, the state, the call, the row.

    The state counts an episode's chunks. Where `gate` is given, a call waits for it; "fail" makes a call raise.
    """

    decoder = "telling"
    observation_needs = ObservationNeeds(128, ("agentview", "wrist"), 8)

    def __init__(self, batch_size=4, gate=None):
        self.batch_size, self.gate = batch_size, gate
        self.batches = []
        self.keys = []

    def check_instruction(self, instruction):
        if not instruction:
            raise ValueError("instruction '' has 0 words; it must have 1 to 32")

    def act_batch(self, requests):
        self.batches.append(sorted(requests))
        self.keys += [request.episode for request in requests.values()]
        if self.gate is not None and len(self.batches) > 1:
            self.gate.wait()
        if any(request.observation.instruction == "fail" for request in requests.values()):
            raise RuntimeError("/home/somebody/secret.py broke")
        return {row: self._answer(row, request) for row, request in requests.items()}

    def _answer(self, row, request):
        chunks = 0 if request.state is None else int(request.state)
        actions = np.zeros((4, 7), np.float32)
        actions[:, 0] = request.observation.proprio[0]
        actions[:, 1] = request.observation.frames[0][0, 0, 0]  # as rendered: the corner
        actions[:, 2], actions[:, 3], actions[:, 4] = chunks, request.call, row
        actions[:, 5] = np.arange(4)
        return PolicyAnswer(output_without_tokens(actions), np.int64(chunks + 1))


def metadata(policy, conventions):
    return ServedMetadata(
        policy.decoder, "", {}, None, "0", policy.batch_size, 7, policy.observation_needs, conventions
    )


@contextlib.contextmanager
def served(policy=None, token="", limits=None, **settings):
    """A server at free ports, in a thread; gives its `RunningServer`, with `loop` and `end`, which drains it."""
    policy = policy or TellingPolicy()
    wanted = ServingSettings(**{"openpi_port": 0, "harness_port": 0} | settings, limits=ServingLimits(**limits or {}))
    found, is_ready, stop = {}, threading.Event(), {}

    async def serve():
        stop["event"], stop["loop"] = asyncio.Event(), asyncio.get_running_loop()
        async with running_server(policy, wanted, lambda conventions: metadata(policy, conventions), token) as server:
            found["server"] = server
            is_ready.set()
            await stop["event"].wait()

    def run():
        try:
            asyncio.run(serve())
        except (OSError, ValueError) as error:  # where it was to listen, and how
            found["error"] = error
        finally:
            is_ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert is_ready.wait(20)
    if "error" in found:
        raise found["error"]

    def end():
        stop["loop"].call_soon_threadsafe(stop["event"].set)

    try:
        yield found["server"], end
    finally:
        with contextlib.suppress(RuntimeError):  # it has ended
            end()
        thread.join(20)
        assert not thread.is_alive()


def observation(number=0.0, instruction="close the gripper"):
    """Frames upright, as clients send them; the robot's state begins with `number`."""
    state = np.zeros(8)
    state[0] = number
    upright = FRAME[::-1, ::-1]
    return {
        "observation/image": upright,
        "observation/wrist_image": upright,
        "observation/state": state,
        "prompt": instruction,
    }


def as_seen(number=0.0, instruction="close the gripper"):
    """The same as a simulator gives it."""
    return Observation(FRAME, FRAME, np.array([number, *[0] * 7], np.float32), instruction)


class OpenpiClient:
    """openpi's protocol without openpi's client."""

    def __init__(self, server, headers=None):
        self._use = contextlib.ExitStack()
        address = server.addresses["openpi"]
        self.socket = self._use.enter_context(connect(address, compression=None, additional_headers=headers))
        self.metadata = unpack_openpi(self.socket.recv(timeout=20))

    def send(self, content):
        self.socket.send(pack_openpi(content))

    def receive(self):
        return self.socket.recv(timeout=20)

    def tell(self, content):
        self.send(content)
        return unpack_openpi(self.receive())

    def act(self, content):
        return self.tell(content)["actions"]

    def close_code(self):
        try:
            self.socket.recv(timeout=20)
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None
        raise AssertionError("the server has more to say")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._use.close()


class HarnessClient:
    """vla-evaluation-harness's protocol without its client."""

    def __init__(self, server, begins=True):
        self._use = contextlib.ExitStack()
        self.socket = self._use.enter_context(connect(server.addresses["harness"], compression=None))
        self.number = 0
        self.hello = self.ask("hello", {"harness_version": "test", "protocol_version": 1}).payload
        if begins:
            self.tell("episode_start", {"task": {}})

    def tell(self, kind, payload):
        self.number += 1
        self.socket.send(HarnessMessage(kind, payload, self.number).packed())

    def ask(self, kind, payload):
        self.tell(kind, payload)
        answer = read_message(self.socket.recv(timeout=20))
        assert answer.number == self.number
        return answer

    def act(self, number=0.0, instruction="close the gripper"):
        sent = observation(number, instruction)
        images = {"agentview": sent["observation/image"], "wrist": sent["observation/wrist_image"]}
        images = {name: np.ascontiguousarray(image) for name, image in images.items()}
        payload = {"images": images, "states": sent["observation/state"], "task_description": instruction}
        return self.ask("observation", payload).payload

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._use.close()


def get(server, path, protocol="openpi"):
    """Status and text of a plain HTTP request."""
    address = server.addresses[protocol].replace("ws://", "http://").rstrip("/")
    try:
        with urllib.request.urlopen(f"{address}{path}", timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def counted(server, name, **labels):
    """A count of the server's metrics, 0 where there is none yet."""
    wanted = f"rsd_serve_{name}" + (
        "{" + ",".join(f'{k}="{v}"' for k, v in sorted(labels.items())) + "}" if labels else ""
    )
    lines = server.service.metrics.text().splitlines()
    return next((float(line.rsplit(" ", 1)[1]) for line in lines if line.rsplit(" ", 1)[0] == wanted), 0.0)

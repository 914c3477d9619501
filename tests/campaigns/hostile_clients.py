"""Clients that die, send too much or send nonsense, while others ask: what a server of ours makes of them.

    python -m tests.campaigns.hostile_clients                  # 1,000 of each kind; some minutes
    python -m tests.campaigns.hostile_clients --cases 50 --json FILE

Kinds:

    killed     a client's process is killed at random, in the middle of its conversation
    oversized  frames, fragments and headers beyond every limit, claimed or really sent
    malformed  damaged messages, nonsense, text, broken framing, broken HTTP

Meanwhile a witness of each protocol asks without pause; every answer must be, to the last bit, the one it got before.
The command fails if the server stopped once, or a witness was answered otherwise.
"""

import argparse
import contextlib
import multiprocessing
import random
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from eval_bridge.serving.conventions import WireConventions
from eval_bridge.serving.harness_messages import EPISODE_START, HELLO, OBSERVATION, HarnessMessage, observation_payload
from eval_bridge.serving.openpi_messages import observation_message
from eval_bridge.serving.server_address import PROTOCOLS, ServerAddress
from tests.campaigns.honest_clients import Witness, observation_of, talk
from tests.campaigns.raw_websocket import connected, frame, listen, send, send_raw

KINDS = ("killed", "oversized", "malformed")

Addresses = Mapping[str, str]


class HostileOutcome(NamedTuple):
    """Of one kind of clients: how many, how often the server was found stopped; of answers to witnesses, how many
    there were and how many changed."""

    sent: int
    server_stops: int
    others_changed: int
    others_answers: int


def campaign(
    addresses: Addresses, kind: str, cases: int, seed: int, is_alive: Callable[[], bool], shows_progress: bool = True
) -> HostileOutcome:
    """Sends `cases` hostile clients of a kind to a server, to both protocols in turn.

    Args:
        addresses: of the server, by protocol.
        kind: one of `KINDS`.
        cases: how many.
        seed: of what they do.
        is_alive: whether the server is there; asked behind each.
        shows_progress: a bar.
    """
    rng = random.Random(f"{kind} {seed}")
    attack = {"killed": _be_killed, "oversized": _send_too_much, "malformed": _send_nonsense}[kind]
    witnesses = [Witness(ServerAddress(protocol, addresses[protocol])) for protocol in PROTOCOLS]
    stops = 0
    try:
        for case in tqdm(range(cases), desc=kind, disable=None if shows_progress else True):
            protocol = PROTOCOLS[case % len(PROTOCOLS)]
            attack(addresses, protocol, rng)
            stops += not is_alive()
    finally:
        for witness in witnesses:
            witness.stop()
    return HostileOutcome(
        cases, stops, *(sum(getattr(each, name) for each in witnesses) for name in ("changed", "answers"))
    )


# --- what hostile clients do


def _be_killed(addresses: Addresses, protocol: str, rng: random.Random) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([talk.__module__])
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=talk, args=(addresses[protocol], protocol, theirs), daemon=True)
    process.start()
    theirs.close()
    with contextlib.suppress(EOFError):
        ours.recv()  # it is connected
    time.sleep(rng.uniform(0.0, 0.06))
    process.kill()
    process.join()
    process.close()
    ours.close()


def _send_too_much(addresses: Addresses, protocol: str, rng: random.Random) -> None:
    limit = 4 * 2**20  # of `ServingLimits`
    match rng.choice(("claims", "sends", "fragments", "headers")):
        case "claims":
            claimed = rng.choice((limit + 1, 2**31, 2**32 + 1, 2**62))
            send_raw(addresses[protocol], [frame(2, rng.randbytes(2000), claimed=claimed)], rng)
        case "sends":
            send_raw(addresses[protocol], [frame(2, bytes(limit + rng.randint(1, 2**20)))], rng)
        case "fragments":
            part = bytes(2**20)
            frames = [frame(2, part, final=False), *(frame(0, part, final=False) for _ in range(5))]
            send_raw(addresses[protocol], frames, rng)
        case "headers":
            with connected(addresses[protocol]) as connection:
                send(connection, b"GET / HTTP/1.1\r\n" + b"X: " + b"x" * rng.randint(10_000, 10**6))
                listen(connection, rng)


def _send_nonsense(addresses: Addresses, protocol: str, rng: random.Random) -> None:
    message = _honest_message(protocol, rng)
    match rng.choice(("damaged", "damaged", "damaged", "random", "text", "framing", "http")):
        case "damaged":
            damaged = bytearray(message)
            for _ in range(rng.randint(1, 6)):
                # Most of a message is pixels, which may be anything: its beginning and end are what can be wrong.
                near = rng.randrange(min(300, len(damaged)))
                place = rng.choice((near, -1 - near))
                damaged[place] = rng.randrange(256)
            frames = [frame(2, bytes(damaged[: rng.randrange(len(damaged))] if rng.random() < 0.3 else damaged))]
        case "random":
            frames = [frame(2, rng.randbytes(rng.randint(0, 5000)))]
        case "text":
            frames = [frame(1, rng.choice((b"hello", b"\xff\xfe", message)))]
        case "framing":
            wrong = (
                frame(2, message, masked=False),
                frame(rng.choice((3, 7, 11, 15)), b"reserved"),
                frame(0, b"continues nothing"),
                frame(2, b"bits", reserved=rng.randint(1, 7)),
                frame(9, bytes(200)),  # a ping that is too long
                rng.randbytes(rng.randint(1, 500)),
            )
            frames = [rng.choice(wrong)]
        case _:
            with connected(addresses[protocol]) as connection:
                request = rng.choice((b"POST / HTTP/1.1\r\n\r\n", b"GET /metrics", b"\r\n\r\n", rng.randbytes(300)))
                send(connection, request)
                return listen(connection, rng)
    return send_raw(addresses[protocol], frames, rng)


def _honest_message(protocol: str, rng: random.Random) -> bytes:
    observation = observation_of(rng.randrange(3))
    if protocol == PROTOCOLS[0]:
        return observation_message(observation, WireConventions())
    kind = rng.choice((HELLO, EPISODE_START, OBSERVATION))
    payload = observation_payload(observation, WireConventions(), with_wrist=True, with_state=True)
    return HarnessMessage(kind, payload if kind == OBSERVATION else {"protocol_version": 1}, 1).packed()


# --- the server


@contextlib.contextmanager
def served_command(*arguments: str) -> Iterator[tuple[Addresses, subprocess.Popen[str]]]:
    """``python -m launch.serve`` at free ports; ends it by SIGTERM, and fails if it does not end well."""
    ports = ("--config.openpi_port=0", "--config.harness_port=0")
    command = [sys.executable, "-m", "launch.serve", "--config", "configs/serve.py", *ports, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline().split() for _ in PROTOCOLS]
        yield {line[0]: line[1] for line in lines}, process
        process.terminate()
        assert process.wait(60) == 0, "the server did not end well"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def is_healthy(addresses: Addresses) -> bool:
    """Whether the server says that it is well."""
    try:
        url = addresses[PROTOCOLS[0]].replace("ws://", "http://") + "healthz"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return bool(answer.read() == b"OK\n")
    except OSError:
        return False


def run_campaign(cases: int, seed: int, *arguments: str) -> dict[str, dict[str, int]]:
    """All kinds against a server of its own; `arguments` are those of ``launch.serve``."""
    outcomes = {}
    with served_command(*arguments) as (addresses, process):
        for kind in KINDS:
            outcome = campaign(addresses, kind, cases, seed, lambda: process.poll() is None and is_healthy(addresses))
            outcomes[kind] = outcome._asdict()
            print(f"{kind:10} {outcome}", flush=True)
    return outcomes


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1000, help="clients of each kind (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the counts there too")
    parser.add_argument("server", nargs="*", help="arguments of launch.serve, behind --")
    options = parser.parse_args()
    outcomes = run_campaign(options.cases, options.seed, *options.server)
    if options.json:
        from rsd_jax.atomic_files import write_json
        from rsd_jax.provenance import device_name, git_commit, library_versions

        facts = {"commit": git_commit(), "device": device_name(), "versions": library_versions()}
        write_json(options.json, facts | {"seed": options.seed, "hostile": outcomes})
    sys.exit(any(outcome["server_stops"] or outcome["others_changed"] for outcome in outcomes.values()))


if __name__ == "__main__":
    main()

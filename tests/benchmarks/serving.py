"""What serving a policy costs: a chunk over loopback beside the same call in process, many clients beside one.

    python -m tests.benchmarks.serving --out results/serving_DEVICE.json   # DEVICE stands for the device's name
    python -m tests.benchmarks.serving --hostile 5 --seconds 2 --asks 10   # quickly, to see that it works

The server runs beside the benchmark, in a thread, so that both ways use the one policy of the one process; clients are
processes of their own, speak openpi's protocol, and send two frames of 256 pixels. The two ways take turns. Then come
hostile clients (`tests.campaigns.hostile_clients`), and an episode by each of others' clients, if they are installed
(`tests.campaigns.client_episodes`). Nothing else should run meanwhile.
"""

import argparse
import contextlib
import json
import multiprocessing
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from eval_bridge.policies.compiled_policy import CompiledPolicy, default_policy_batch
from eval_bridge.policies.interface import PolicyRequest
from rsd_jax.atomic_files import write_json
from rsd_jax.pretrained import PRETRAINED
from rsd_jax.provenance import device_name, device_slug, git_commit, library_versions
from tests.benchmarks.asking_client import OBSERVATIONS, count_asks, time_asks
from tests.campaigns.client_episodes import run_client_episodes
from tests.campaigns.honest_clients import observation_of
from tests.campaigns.hostile_clients import run_campaign
from tests.eval_bridge.serving.serving_examples import served

TURNS = 10
CLIENTS = (1, 16)


@contextlib.contextmanager
def client_process(program: Callable[[str, Connection], None], address: str) -> Iterator[Connection]:
    """A client's process that is connected and has been answered once."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=program, args=(address, theirs), daemon=True)
    process.start()
    try:
        ours.recv()
        yield ours
        process.join(30)
    finally:
        process.kill()
        process.join()


def measure_overhead(policy: CompiledPolicy, address: str, asks: int) -> dict[str, float]:
    """Milliseconds of `asks` calls each way, in turns: percentiles, and what the served ones take longer."""
    requests = [{0: PolicyRequest(observation_of(number), (1, 2))} for number in range(OBSERVATIONS)]
    served_seconds: list[float] = []
    own_seconds: list[float] = []
    with client_process(time_asks, address) as client:
        for _ in range(TURNS):
            client.send(max(asks // TURNS, 1))
            served_seconds += client.recv()
            for number in range(max(asks // TURNS, 1)):
                began = time.perf_counter()
                policy.act_batch(requests[number % OBSERVATIONS])
                own_seconds.append(time.perf_counter() - began)
        client.send(0)
    own, over_loopback = (1e3 * np.percentile(seconds, (50, 99)) for seconds in (own_seconds, served_seconds))
    return {
        "overhead_ms_p50": float(over_loopback[0] - own[0]),
        "overhead_ms_p99": float(over_loopback[1] - own[1]),
        "chunk_ms_p50": float(own[0]),
        "chunk_ms_p99": float(own[1]),
        "asks": len(served_seconds),
    }


def measure_rate(address: str, clients: int, seconds: float) -> float:
    """Chunks a second that so many clients get together."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(client_process(count_asks, address)) for _ in range(clients)]
        for connection in connections:
            connection.send(seconds)
        return sum(connection.recv() for connection in connections) / seconds


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All figures of ``results/serving_DEVICE.json``."""
    batch_size = options.policy_batch or default_policy_batch()
    policy = CompiledPolicy.load(options.run_dir, options.decoder, batch_size)
    with served(policy, limits={"request_deadline": 60.0}) as (server, _):
        address = server.addresses["openpi"]
        figures: dict[str, Any] = measure_overhead(policy, address, options.asks)
        print({name: round(value, 3) for name, value in figures.items()}, flush=True)
        figures["chunks_per_s"] = {str(count): measure_rate(address, count, options.seconds) for count in CLIENTS}
        print(figures["chunks_per_s"], flush=True)
    hostile: dict[str, Any] = {}
    if options.hostile:
        arguments = (f"--config.run_dir={options.run_dir}", f"--config.decoder={options.decoder}")
        hostile = run_campaign(options.hostile, 0, *arguments, f"--config.policy_batch={batch_size}")
    clients = {} if options.no_clients else run_client_episodes(policy, options.episode_steps)
    return {
        **figures,
        "policy_batch": batch_size,
        "decoder": options.decoder,
        "hostile": hostile,
        "clients": {name: episode.version for name, episode in clients.items()},
        "commit": git_commit(),
        "versions": library_versions(),
        "device": device_name(),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run_dir", type=Path, default=PRETRAINED, help="whose checkpoints (default: those shipped)")
    parser.add_argument("--decoder", default="speculative_greedy")
    parser.add_argument("--policy_batch", type=int, default=0, help="rows of a call; 0 leaves it to the device")
    parser.add_argument("--asks", type=int, default=1000, help="calls each way (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="that clients ask for (default %(default)s)")
    parser.add_argument("--hostile", type=int, default=1000, help="hostile clients of each kind (default %(default)s)")
    parser.add_argument("--episode_steps", type=int, default=20, help="of others' clients (default %(default)s)")
    parser.add_argument("--no_clients", action="store_true", help="leave others' clients out")
    parser.add_argument("--out", metavar="FILE", help="DEVICE in it stands for the device's name")
    options = parser.parse_args()
    result = measure(options)
    print(json.dumps(result))
    if options.out:
        out = Path(options.out.replace("DEVICE", device_slug(result["device"])))
        out.parent.mkdir(parents=True, exist_ok=True)
        write_json(out, result)
        print(out)


if __name__ == "__main__":
    main()

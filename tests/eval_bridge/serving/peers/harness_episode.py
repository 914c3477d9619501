"""An episode by vla-evaluation-harness's connection, runner and benchmark: ``SOCKET ADDRESS STEPS INSTRUCTION``.

Runs in the clients' environment. Only the benchmark's environment is another one: a simulator behind a socket.
"""

import asyncio
import sys
from multiprocessing.connection import Client
from types import SimpleNamespace

import numpy as np
from vla_eval import __version__
from vla_eval.benchmarks.libero.benchmark import LIBEROBenchmark
from vla_eval.connection import Connection
from vla_eval.orchestrator import _merge_observation_params
from vla_eval.runners.sync_runner import SyncEpisodeRunner
from vla_eval.specs import DimSpec, check_specs


class FarEnvironment:
    """robosuite's environment as far as the benchmark uses it."""

    def __init__(self, connection):
        self._connection = connection
        controller = SimpleNamespace(ee_pos=np.zeros(3), ee_ori_mat=np.eye(3))
        self.robots = [SimpleNamespace(controller=controller)]

    def observe(self):
        self._connection.send(("observe",))
        raw = self._connection.recv()
        return {
            name: np.frombuffer(value, np.uint8).reshape(256, 256, 3) if isinstance(value, bytes) else np.array(value)
            for name, value in raw.items()
        }

    def step(self, action):
        self._connection.send(("step", [float(number) for number in action]))
        done = self._connection.recv()
        return self.observe(), float(done), done, {}


class FarBenchmark(LIBEROBenchmark):
    """The harness's LIBERO, in a scene that stands at its start already."""

    def reset(self, task):
        return self._env.observe()


async def run(connection, address, steps, instruction):
    async with Connection(address) as server:
        params = _merge_observation_params(LIBEROBenchmark, {}, server.server_info["observation_params"])
        benchmark = FarBenchmark(**params)
        benchmark._env = FarEnvironment(connection)
        told = {name: DimSpec.from_dict(spec) for name, spec in server.server_info["action_spec"].items()}
        needed = {name: DimSpec.from_dict(spec) for name, spec in server.server_info["observation_spec"].items()}
        mismatches = check_specs(told, benchmark.get_action_spec(), needed, benchmark.get_observation_spec())
        task = {"name": instruction, "suite": "libero_spatial", "task_id": 0}
        result = await SyncEpisodeRunner().run_episode(benchmark, task, server, max_steps=steps)
    return {**result["metrics"], "steps": result["steps"], "mismatches": mismatches, "version": __version__}


def main():
    place, address, steps, instruction = sys.argv[1:]
    with Client(place) as connection:
        connection.send(("done", asyncio.run(run(connection, address, int(steps), instruction))))


main()

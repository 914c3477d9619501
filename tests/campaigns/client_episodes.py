"""A whole LIBERO episode by each of others' clients, beside the same one in process: every action, and how it ends.

    make set-up-clients
    python -m tests.campaigns.client_episodes                  # the shipped checkpoint, to the suite's limit; minutes
    python -m tests.campaigns.client_episodes --steps 20 --seed 7 --json FILE

Clients are openpi-client, driven as openpi's own example of LIBERO, and vla-eval's runner with its own benchmark. The
start is a random reset of the first task. The command fails if an action or the simulator's last state differs.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from eval_bridge.episodes.rollout import run_episode
from eval_bridge.policies.compiled_policy import CompiledPolicy
from eval_bridge.policies.policy_episode import PolicyEpisode
from eval_bridge.policies.random_streams import episode_key
from eval_bridge.simulators.libero.environment import LiberoSimulator
from eval_bridge.simulators.libero.quiet_import import prepare_process
from eval_bridge.simulators.libero.suites import get_suite
from rsd_jax.atomic_files import write_json
from rsd_jax.provenance import device_name, git_commit, library_versions
from tests.eval_bridge.serving.peers.simulator_door import PYTHON, run_program
from tests.eval_bridge.serving.serving_examples import served

SUITE = "libero_spatial"

PROGRAMS = {"openpi-client": ("openpi_episode", "openpi"), "vla-eval": ("harness_episode", "harness")}
"""By the package that is the client: the program, and the protocol that it speaks."""


class ComparedEpisode(NamedTuple):
    """An episode by somebody's client: its version, its end, and whether it is the one in process."""

    version: str
    steps: int
    success: bool
    equal: bool


def run_client_episodes(policy: CompiledPolicy, steps: int, seed: int = 7) -> dict[str, ComparedEpisode]:
    """Episodes of up to `steps` steps by every client, from a random reset by `seed`; {} without their environment."""
    if not PYTHON.is_file():
        print("others' clients are not installed: make set-up-clients")
        return {}
    prepare_process(rendering=True)
    simulator, found = LiberoSimulator(SUITE, 0), {}
    start = simulator.draw_start(seed)
    with served(policy, limits={"request_deadline": 60.0}) as (server, _), tempfile.TemporaryDirectory() as folder:
        rollout, recording = run_episode(simulator, PolicyEpisode(policy, episode_key(seed, 0, 0)), start, steps)
        end = simulator.state()
        for client, (program, protocol) in PROGRAMS.items():
            simulator.begin(start)
            episode = run_program(program, server.addresses[protocol], simulator, steps, Path(folder))
            expected = recording.trace.actions
            if protocol == "harness":  # its benchmark sends the gripper's sign alone
                expected = np.concatenate([expected[:, :6], np.sign(expected[:, 6:])], axis=1)
            equal = np.array_equal(episode.actions, expected) and np.array_equal(simulator.state(), end)
            told = episode.told
            found[client] = ComparedEpisode(told["version"], told["steps"], bool(told["success"]), bool(equal))
            print(f"{client:14} {found[client]}", flush=True)
    simulator.close()
    print(f"in process     {rollout.steps} steps, success {rollout.success}", flush=True)
    return found


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=get_suite(SUITE).max_steps)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found there too")
    options = parser.parse_args()
    found = run_client_episodes(CompiledPolicy.load(), options.steps, options.seed)
    if options.json:
        episodes = {name: episode._asdict() for name, episode in found.items()}
        facts = {"commit": git_commit(), "device": device_name(), "versions": library_versions()}
        write_json(options.json, facts | {"steps": options.steps, "seed": options.seed, "episodes": episodes})
    sys.stdout.flush()
    # Not by the interpreter's end: renderers may hang there.
    os._exit(not (found and all(episode.equal for episode in found.values())))


if __name__ == "__main__":
    main()

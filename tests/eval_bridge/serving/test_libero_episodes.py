"""A real LIBERO episode, cut short, in process and by every client there is: the same actions, the same end."""

from typing import NamedTuple

import numpy as np
import pytest

from eval_bridge.episodes.rollout import Rollout, run_episode
from eval_bridge.episodes.trace import EpisodeTrace
from eval_bridge.policies.compiled_policy import CompiledPolicy
from eval_bridge.policies.policy_episode import PolicyEpisode
from eval_bridge.policies.random_streams import episode_key
from eval_bridge.serving.client import ConventionSettings
from eval_bridge.serving.remote_policy import RemotePolicy
from eval_bridge.serving.server_address import ServerAddress
from eval_bridge.simulators.interface import EpisodeStart
from tests.eval_bridge.serving.peers.simulator_door import needs_clients, run_program
from tests.eval_bridge.serving.serving_examples import served

pytestmark = pytest.mark.libero

STEPS = 20  # two chunks and a half
KEY = episode_key(7, 0, 0)


class Reference(NamedTuple):
    """The episode in process."""

    start: EpisodeStart
    rollout: Rollout
    trace: EpisodeTrace
    end: np.ndarray


@pytest.fixture(scope="module")
def policy():
    return CompiledPolicy.load()  # the shipped checkpoint


@pytest.fixture(scope="module")
def server(policy):
    with served(policy) as (server, _):
        yield server


@pytest.fixture(scope="module")
def reference(policy, server, libero_simulator):
    start = libero_simulator.draw_start(5)
    rollout, recording = run_episode(libero_simulator, PolicyEpisode(policy, KEY), start, STEPS)
    assert len(rollout.rounds) == 3
    return Reference(start, rollout, recording.trace, libero_simulator.state())


def lasting(rollout):
    return rollout._replace(seconds=0.0, chunk_seconds=())


@needs_clients
def test_openpis_own_client_ends_as_in_process(reference, server, libero_simulator, tmp_path):
    libero_simulator.begin(reference.start)
    episode = run_program("openpi_episode", server.addresses["openpi"], libero_simulator, STEPS, tmp_path)
    np.testing.assert_array_equal(episode.actions, reference.trace.actions)
    np.testing.assert_array_equal(libero_simulator.state(), reference.end)
    assert episode.told == {"success": False, "steps": STEPS, "version": "0.1.2"}


@needs_clients
def test_the_harness_itself_ends_as_in_process(reference, server, libero_simulator, tmp_path):
    """Its benchmark sends the gripper's sign alone, which is all that the robot takes of it."""
    libero_simulator.begin(reference.start)
    episode = run_program("harness_episode", server.addresses["harness"], libero_simulator, STEPS, tmp_path)
    np.testing.assert_array_equal(episode.actions[:, :6], reference.trace.actions[:, :6])
    np.testing.assert_array_equal(episode.actions[:, 6], np.sign(reference.trace.actions[:, 6]))
    np.testing.assert_array_equal(libero_simulator.state(), reference.end)
    assert episode.told == {"success": False, "steps": STEPS, "mismatches": [], "version": "0.8.0"}


@pytest.mark.parametrize("protocol", ["openpi", "harness"])
def test_our_own_clients_give_the_records_of_an_evaluation_in_process(reference, server, libero_simulator, protocol):
    address = ServerAddress(protocol, server.addresses[protocol])
    with RemotePolicy(address, ConventionSettings()) as remote:
        actor = PolicyEpisode(remote, KEY)
        rollout, recording = run_episode(libero_simulator, actor, reference.start, STEPS)
    assert lasting(rollout) == lasting(reference.rollout)
    for name, expected in reference.trace._asdict().items():
        np.testing.assert_array_equal(getattr(recording.trace, name), expected, err_msg=name)
    np.testing.assert_array_equal(libero_simulator.state(), reference.end)

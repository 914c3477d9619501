"""A real cascade, whose episodes carry state: clients in turns get what each would get alone."""

import pytest

from eval_bridge.policies.compiled_policy import CompiledPolicy
from eval_bridge.policies.policy_episode import PolicyEpisode
from eval_bridge.serving.client import ConventionSettings
from eval_bridge.serving.remote_policy import RemotePolicy
from eval_bridge.serving.server_address import ServerAddress
from tests.eval_bridge.serving.serving_examples import OpenpiClient, as_seen, observation, served

CALLS = 3


@pytest.fixture(scope="module")
def policy(preflight_run):
    """Its rule accepts whatever was drafted, so that state alone decides: a look foresees one chunk more."""
    return CompiledPolicy.load(preflight_run, "cascade", batch_size=2, settings="tolerance=1e999 longest_run=2")


@pytest.fixture(scope="module")
def server(policy):
    with served(policy) as (server, _):
        yield server


def outputs(actors, turns):
    """What each episode gets, their calls in turns."""
    found = {number: [] for number in actors}
    for _ in range(CALLS):
        for number in turns:
            output = actors[number].act(as_seen(number))
            found[number].append((output.actions.tolist(), output.looked, output.rounds))
    return found


@pytest.mark.parametrize("protocol", ["openpi", "harness"])
def test_clients_in_turns_get_what_each_gets_alone(policy, server, protocol):
    expected = {}
    for number in (0, 1):
        expected |= outputs({number: PolicyEpisode(policy, (number, 0))}, (number,))
    assert [[looked for _, looked, _ in chunks] for chunks in expected.values()] == [[True, False, True]] * 2
    with RemotePolicy(ServerAddress(protocol, server.addresses[protocol]), ConventionSettings()) as remote:
        actors = {number: PolicyEpisode(remote, (number, 0)) for number in (0, 1)}
        assert outputs(actors, (0, 1)) == expected


def test_without_a_word_about_resets_a_cascade_looks_at_every_call(server):
    def looked(**words):
        with OpenpiClient(server) as client:
            chunks = []
            for _ in range(CALLS):
                chunks.append(client.tell(observation() | {"rsd_jax": {}} | words)["rsd_jax"]["looked"])
        return chunks

    assert looked() == [True, True, True]
    assert looked(reset=False) == [True, False, True]

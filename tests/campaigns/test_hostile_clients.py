"""The campaign itself, in short, and that it can fail."""

import pytest

from eval_bridge.policies.interface import PolicyAnswer
from tests.campaigns.hostile_clients import KINDS, campaign, is_healthy
from tests.eval_bridge.serving.serving_examples import TellingPolicy, served


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_clients_hurt_nobody(kind):
    cases = 4 if kind == "killed" else 16
    with served() as (server, _):
        addresses = server.addresses
        outcome = campaign(addresses, kind, cases, 0, lambda: is_healthy(addresses), shows_progress=False)
    assert outcome[:3] == (cases, 0, 0)
    assert outcome.others_answers > 10


class ForgetfulPolicy(TellingPolicy):
    """What a client gets depends on what others have asked."""

    def _answer(self, row, request):
        output, state = super()._answer(row, request)
        output.actions[:, 0] += len(self.batches)
        return PolicyAnswer(output, state)


def test_a_server_that_mixes_clients_or_stops_is_found():
    with served(ForgetfulPolicy()) as (server, _):
        outcome = campaign(server.addresses, "malformed", 4, 0, lambda: False, shows_progress=False)
    assert outcome.server_stops == 4
    assert outcome.others_changed > 0

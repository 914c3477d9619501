from types import SimpleNamespace

import numpy as np
import pytest

from eval_bridge.collection.takeover import TakeoverSettings, act_for


class CountingActor:
    """Chunks of three actions; the first number of each counts them."""

    def __init__(self) -> None:
        self.seen = []

    def act(self, observation):
        self.seen.append(observation)
        actions = np.zeros((3, 7), np.float32)
        actions[:, 0] = np.arange(3) + 3 * (len(self.seen) - 1)
        return SimpleNamespace(actions=actions)


def test_the_expert_takes_over_somewhere_between_and_the_seed_alone_says_where():
    settings = TakeoverSettings("runs/x", earliest=3, latest=6)
    drawn = [settings.draw(seed) for seed in range(40)]
    assert set(drawn) == {3, 4, 5, 6}
    assert drawn == [settings.draw(seed) for seed in range(40)]
    assert TakeoverSettings(earliest=5, latest=5).draw(1) == 5


def test_a_policy_acts_for_so_many_steps_and_looks_once_a_chunk():
    actor, times = CountingActor(), iter(range(100))
    simulator = SimpleNamespace(observe=lambda: next(times))
    actions = [action[0] for action in act_for(simulator, actor, steps=7)]
    assert actions == [0, 1, 2, 3, 4, 5, 6]
    assert actor.seen == [0, 1, 2]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"earliest": 0}, "takeover.earliest=0"),
        ({"earliest": 4, "latest": 3}, "takeover.latest=3: 1 <= earliest <= latest must hold"),
        ({"policy_batch": -1}, "takeover.policy_batch=-1 must be at least 0"),
    ],
)
def test_numbers_out_of_range_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        TakeoverSettings(**values)

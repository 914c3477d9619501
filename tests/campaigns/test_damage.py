"""The campaign itself, in short, and that it can fail."""

import random

import numpy as np
import pytest

from tests.campaigns.damage import OUTCOMES, Outcome, campaign, damaged, same


@pytest.mark.parametrize("name", ["episode_log", "libero_hdf5"])
def test_readers_name_what_is_damaged(name):
    outcomes, faults = campaign(name, cases=6, seed=1, limit=30.0)
    assert faults == []
    assert outcomes.total() == 6
    assert outcomes["named"] > 3


@pytest.mark.parametrize("kind", ["raw", "hanging", "silent"])
def test_what_must_not_be_is_a_fault(kind, monkeypatch):
    class Reader:
        def __init__(self, *_):
            pass

        def read(self, folder):
            return Outcome(kind, "so it was")

        def close(self):
            pass

    monkeypatch.setattr("tests.campaigns.damage.Reader", Reader)
    outcomes, faults = campaign("episode_log", cases=2, seed=0, limit=1.0)
    assert outcomes == {kind: 2}
    assert len(faults) == 2
    assert f"episodes.jsonl, {faults[0].split(', ')[2]}" in faults[0]
    assert kind in OUTCOMES


def test_every_damage_alters_what_it_is_given():
    rng = random.Random(0)
    content = bytes(range(1, 200))
    assert all(damaged(content, rng)[0] != content for _ in range(300))


def test_the_same_is_the_same_bits():
    assert same([np.zeros(2), "a"], [np.zeros(2), "a"])
    assert not same([np.zeros(2)], [np.zeros(2, np.float32)])
    assert not same([np.zeros(2)], [np.array([0, 1e-300])])
    assert not same({"a": 1}, {"b": 1})

from dataclasses import dataclass

import pytest
from ml_collections import ConfigDict

from rsd_jax.registry import to_dataclass


@dataclass(frozen=True)
class Inner:
    width: int


@dataclass(frozen=True)
class Outer:
    inner: Inner
    seed: int
    name: str = "toy"


def test_sections_become_dataclasses():
    values = ConfigDict({"inner": {"width": 3}})
    assert to_dataclass(Outer, values, seed=1) == Outer(Inner(3), 1, "toy")


def test_keys_and_fields_must_match():
    with pytest.raises(ValueError, match=r"\['widht'\] are no fields of Inner, which has width"):
        to_dataclass(Inner, ConfigDict({"widht": 3}))
    with pytest.raises(ValueError, match=r"Outer needs values for \['inner', 'seed'\]"):
        to_dataclass(Outer, ConfigDict({"name": "x"}))

"""Colours of demonstrations beside those of variants, with the table that is checked in."""

import numpy as np
import pytest

from eval_bridge.collection.looks_audit import audit_looks

YELLOW_PLATE = np.array([82.3, -1.5, 20.5])


def test_names_the_nearest_demonstration_of_each_variant():
    colours = [
        {"plate": YELLOW_PLATE + np.array([0.0, 30.0, 0.0])},
        None,
        {"plate": YELLOW_PLATE - [15.0, 0.0, 0.0], "cookies": YELLOW_PLATE},
        {"plate": YELLOW_PLATE + np.array([0.0, 40.0, 0.0]), "akita_black_bowl": np.zeros(3)},
    ]
    found = audit_looks(colours, [100, 101, 102, 103])
    assert (found.num_demos, found.withheld, found.refusals) == (3, (), [])
    near = found.nearest["yellow_plate"]
    assert (near.demo, near.seed, near.distance) == (2, 102, pytest.approx(15.0))
    assert found.nearest["black_bowl"].distance == pytest.approx(61.7)
    assert found.values()["nearest"].keys() == {"yellow_plate", "black_bowl"}, "what has no variant is not compared"


def test_colours_within_the_rule_are_refused():
    found = audit_looks([None, {"plate": YELLOW_PLATE + np.array([0.0, 0.0, 14.9])}, {}], [7, 8, 9])
    assert (found.num_demos, found.withheld) == (2, (1,))
    assert found.refusals == ["have things recoloured within 15 (CIE76) of those of variants (demonstrations 1)"]

"""Settings that cannot be meant are refused."""

import pytest

from configs import demos
from eval_bridge.simulators.libero.layout.settings import DEVELOPMENT_LAYOUTS, LayoutSettings


def test_nothing_is_random_by_default():
    assert not LayoutSettings().draws
    assert DEVELOPMENT_LAYOUTS.draws


def test_development_layouts_are_those_that_are_collected():
    collected = demos.get_config("layouts").layout.to_dict() | {"probability": 1.0}
    assert LayoutSettings(**collected) == DEVELOPMENT_LAYOUTS


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"removal_probability": 1.5}, r"layout.removal_probability is 1.5; it must lie in \[0, 1\]"),
        ({"gap": -0.01}, "layout.gap is -0.01; it must not be negative"),
        ({"kept_weight": 0, "together_weight": 0, "alone_weight": 0}, "are all 0; one must be positive"),
        ({"most_draws": 0}, "layout.most_draws is 0; it must be at least 1"),
        ({"nearest": 0.9}, "nearest is 0.9, farthest 0.85"),
        ({"strangers": -1}, "layout.strangers is -1; it must be at least 0"),
        ({"strangers": 2}, "layout.strangers is 2 and stranger_probability 0.0; raise both, or neither"),
        ({"probability": 0.5}, "nothing may change; raise one of exchange_probability"),
    ],
)
def test_impossible_values_are_named(values, complaint):
    with pytest.raises(ValueError, match=complaint):
        LayoutSettings(**values)

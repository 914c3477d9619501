"""Settings that cannot be meant are refused."""

import pytest

from configs import demos
from eval_bridge.simulators.libero.looks.settings import DEVELOPMENT_LOOKS, LooksSettings


def test_nothing_is_random_by_default():
    assert not LooksSettings().draws
    assert DEVELOPMENT_LOOKS.draws
    assert LooksSettings(**demos.get_config("libero_goal").looks.to_dict()) == LooksSettings()


def test_development_looks_are_those_that_are_collected():
    for variant in ("layouts", "layouts_libero_10", "tiny_layouts"):
        collected = demos.get_config(variant).looks.to_dict() | {"probability": 1.0}
        assert LooksSettings(**collected) == DEVELOPMENT_LOOKS


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"most_paint": 1.5}, r"looks.most_paint is 1.5; it must lie in \[0, 1\]"),
        ({"view_turn": -1.0}, "looks.view_turn is -1.0; it must not be negative"),
        ({"most_draws": 0}, "looks.most_draws is 0; it must be at least 1"),
    ],
)
def test_impossible_values_are_named(values, complaint):
    with pytest.raises(ValueError, match=complaint):
        LooksSettings(**values)

import numpy as np
import pytest

from eval_bridge.experts.route import Route
from eval_bridge.experts.style import PLAIN, StyleSettings, draw_style, style_generator

DIVERSE = StyleSettings(
    sides=(-90.0, 90.0, 180.0),
    side_spread=15.0,
    around_probability=0.5,
    smallest_offset=0.05,
    largest_offset=0.1,
    highest_rise=0.04,
    slowest=0.7,
    shuffle_probability=0.5,
)


def _draw(seed: int, settings: StyleSettings = DIVERSE, goals: int = 3):
    return draw_style(settings, style_generator(seed), goals)


def test_by_default_nothing_is_random():
    assert {_draw(seed, StyleSettings()) for seed in range(20)} == {PLAIN}


def test_a_seed_gives_its_style_again_and_another_seed_another():
    assert _draw(3) == _draw(3)
    assert len({_draw(seed) for seed in range(20)}) == 20


def test_draws_are_within_the_settings_and_reach_every_kind():
    styles = [_draw(seed) for seed in range(400)]
    off = np.array([min(abs(style.side - side) for side in DIVERSE.sides) for style in styles])
    assert off.max() <= 15
    assert off.max() > 14
    assert np.bincount([round((style.side + 90) / 90) for style in styles])[[0, 2, 3]].min() > 100
    for routes in ([style.approach for style in styles], [style.carry for style in styles]):
        offsets = np.array([route.offset for route in routes])
        assert abs((offsets == 0).mean() - 0.5) < 0.1
        assert abs((offsets > 0).mean() - 0.25) < 0.1
        assert set(np.digitize(np.abs(offsets[offsets != 0]), [0.05, 0.1])) == {1}
        assert 0 <= min(route.rise for route in routes) < 0.01 < 0.03 < max(route.rise for route in routes) <= 0.04
    assert 0.7 <= min(style.speed for style in styles) < 0.72 < 0.98 < max(style.speed for style in styles) <= 1
    orders = [style.order for style in styles]
    assert abs(np.mean([order == () for order in orders]) - 0.5) < 0.1
    assert len(set(orders)) == 1 + 6


def test_what_two_settings_have_in_common_they_draw_alike():
    only_routes = StyleSettings(around_probability=0.5, smallest_offset=0.05, largest_offset=0.1, highest_rise=0.04)
    for seed in range(10):
        assert (_draw(seed).approach, _draw(seed).carry) == (
            _draw(seed, only_routes).approach,
            _draw(seed, only_routes).carry,
        )


def test_a_single_goal_has_no_order():
    assert {_draw(seed, goals=1).order for seed in range(20)} == {()}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"around_probability": 1.5}, "around_probability is 1.5; it must lie in"),
        ({"shuffle_probability": -1.0}, "shuffle_probability is -1.0; it must lie in"),
        ({"highest_rise": -0.1}, "highest_rise is -0.1; it must not be negative"),
        ({"smallest_offset": 0.2, "largest_offset": 0.1}, "smallest_offset is 0.2 and largest_offset 0.1"),
        ({"slowest": 0.0}, "slowest is 0.0; it must lie in"),
    ],
)
def test_impossible_settings_are_named(values, message):
    with pytest.raises(ValueError, match=message):
        StyleSettings(**values)


def test_a_way_is_never_lower_than_it_must_be():
    with pytest.raises(ValueError, match=r"rise is -0\.01"):
        Route(rise=-0.01)

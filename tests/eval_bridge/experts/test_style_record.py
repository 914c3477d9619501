import json

from eval_bridge.experts.route import Route
from eval_bridge.experts.style import PLAIN, Style
from eval_bridge.experts.style_record import StyleRecord, kind_of_route


def test_the_first_attempt_at_a_part_counts():
    record = StyleRecord(Style(side=90.0))
    record.note("grasp bowl_1", "right", "there is no grasp there")
    record.note("grasp bowl_1", "left")
    record.note("carry bowl_1", "over")
    assert record.kinds == {"grasp bowl_1": "right", "carry bowl_1": "over"}
    assert record.departures == {"grasp bowl_1": "there is no grasp there"}


def test_speed_and_order_are_kinds_too():
    record = StyleRecord(Style(speed=0.8, order=(1, 0)))
    assert record.kinds == {"speed": "slow", "order": "1 0"}


def test_the_plain_style_has_no_kinds():
    record = StyleRecord()
    record.note("carry bowl_1", "over")
    assert record.style == PLAIN
    assert (record.kinds, record.departures) == ({}, {})


def test_values_survive_json():
    record = StyleRecord(Style(90.0, Route(0.02, -0.1), speed=0.9, order=(1, 0)))
    assert json.loads(json.dumps(record.values())) == {
        "side": 90.0,
        "approach": {"rise": 0.02, "offset": -0.1},
        "carry": {"rise": 0.0, "offset": 0.0},
        "speed": 0.9,
        "order": [1, 0],
        "kinds": {"speed": "fast", "order": "1 0"},
        "departures": {},
    }


def test_routes_have_three_kinds():
    assert [kind_of_route(Route(0.05, offset)) for offset in (0.0, 0.1, -0.1)] == ["over", "left", "right"]

import json

import pytest

from eval_bridge.runs.scaling.plan_record import plan_record
from eval_bridge.runs.scaling.trainings import FULL_7B, POLICY, Training
from tests.eval_bridge.runs.scaling.example_plan import LARGE, MEASURED, SMALL, example_plan


@pytest.fixture(scope="module")
def record():
    return json.loads(json.dumps(example_plan()))


def test_what_was_measured_is_met_at_least_and_exceeded_at_most(record):
    grown, kept = (record["trainings"][POLICY][f"{mode}_batch"]["141"] for mode in ("grown", "kept"))
    assert (grown["1"]["least"], grown["1"]["most"]) == pytest.approx((18900, 18900))
    assert (grown["2"]["least"], kept["2"]["least"]) == pytest.approx((35800, 28700))
    for plans in (grown, kept):
        assert all(
            plan["least"] <= plan["most"] <= 18900 * int(devices) for devices, plan in plans.items() if devices != "1"
        )


def test_the_7b_has_no_room_on_one_device_and_needs_more_small_ones(record):
    large = record["trainings"][FULL_7B]
    assert large["grown_batch"]["141"]["1"] == {"reason": "memory"}
    assert large["breaks"]["fewest_devices"] == {"80": 4, "141": 2}
    assert all(plan["bytes"] <= 0.75 * 141e9 for plan in large["grown_batch"]["141"].values() if "least" in plan)


def test_a_fixed_batch_stops_helping_before_a_batch_that_grows(record):
    small = record["trainings"][POLICY]
    useful = small["breaks"]["last_useful_doubling"]
    assert 0 < useful["256"] < useful["512"] < 64
    kept, grown = (small[f"{mode}_batch"]["141"]["64"]["least"] for mode in ("kept", "grown"))
    assert grown > 10 * kept
    least, most = small["breaks"]["rows_for_half"]["64"]
    assert most <= least


def test_every_power_of_two_is_planned_for_the_plot(record):
    assert list(record["trainings"][POLICY]["grown_batch"]["80"]) == ["1", "2", "4", "8", "16", "32", "64"]
    assert list(example_plan(devices=(1, 6))["trainings"][POLICY]["kept_batch"]["80"]) == ["1", "2", "4", "6"]


@pytest.mark.parametrize(
    ("devices", "between_hosts", "message"),
    [
        ([], 50e9, r"devices is \[\]; there must be numbers, each at least 1"),
        ([1, 0], 50e9, r"devices is \[1, 0\]; there must be numbers, each at least 1"),
        ([1], 0.0, "between_hosts is 0; it must be positive"),
    ],
)
def test_impossible_plans_are_refused(devices, between_hosts, message):
    with pytest.raises(ValueError, match=message):
        plan_record([Training(POLICY, SMALL, 256, 256)], MEASURED, devices, between_hosts)


def test_the_measured_training_stands_first():
    with pytest.raises(ValueError, match=r"trainings\[0\] is 'openvla_7b'; it must be 'policy', which was measured"):
        plan_record([Training(FULL_7B, LARGE, 64, 8)], MEASURED, [1], 50e9)

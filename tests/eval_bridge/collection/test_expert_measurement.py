import pytest

from eval_bridge.collection.expert_measurement import measure_expert, summarise_attempts
from tests.eval_bridge.collection import collection_fakes as fakes


def test_every_attempt_counts_once():
    tasks = [
        fakes.point_mass_task(fakes.expert_that_fails_on_odd_seeds, images=False),
        fakes.point_mass_task(images=False, name="other"),
    ]
    seen = []
    attempts = measure_expert(
        tasks, {0: range(4), 1: [7]}, workers=2, on_attempt=lambda task, attempt: seen.append(task.task)
    )
    assert [(attempt.seed, attempt.is_success) for attempt in attempts[0]] == [
        *((0, True), (1, False), (2, True), (3, False)),
    ]
    assert [attempt.seed for attempt in attempts[1]] == [7]
    assert sorted(seen) == ["close_on_ball"] * 4 + ["other"]
    table = summarise_attempts(tasks, attempts)["point_mass"]
    assert (table["close_on_ball"]["episodes"], table["close_on_ball"]["successes"]) == (4, 2)
    assert table["close_on_ball"]["failures"] == {"1": "odd seeds are too hard", "3": "odd seeds are too hard"}
    assert table["other"]["mean_steps"] == attempts[1][0].steps


def test_layouts_are_counted_by_their_rule():
    tasks = [fakes.point_mass_task(images=False, layout=fakes.LAYOUTS)]
    attempts = measure_expert(tasks, {0: range(3)}, workers=1, on_attempt=lambda task, attempt: None)
    row = summarise_attempts(tasks, attempts)["point_mass"]["close_on_ball"]
    assert row["layouts"] == {"free": [2, 2], "none": [0, 1]}
    assert row["refused_layouts"] == {"two things overlap": 6}


def test_a_crash_is_no_failure():
    with pytest.raises(RuntimeError, match="close_on_ball, seed 0 crashed: ZeroDivisionError"):
        measure_expert(
            [fakes.point_mass_task(fakes.expert_that_crashes)], {0: [0]}, 1, on_attempt=lambda task, attempt: None
        )

import pytest

from eval_bridge.workers.scheduling import SceneAssignment, choose_task


@pytest.mark.parametrize(
    ("pending", "workers_on", "present", "chosen"),
    [
        ({"a": 1, "b": 50}, {}, "a", "a"),  # its scene is there
        ({"a": 0, "b": 50}, {}, "a", "b"),
        ({"a": 50, "b": 40}, {}, None, "a"),  # the longest queue
        ({"a": 50, "b": 40}, {"a": 1}, None, "b"),  # 25 each against 40
        ({"a": 2, "b": 2}, {"a": 2, "b": 2}, None, None),  # those who have the scenes finish sooner
        ({"a": 1}, {}, "b", "a"),  # nobody else has it
        ({}, {}, "a", None),
    ],
)
def test_choice(pending, workers_on, present, chosen):
    assert choose_task(pending, workers_on, present) == chosen


def test_workers_spread_over_tasks():
    workers_on = {}
    for _ in range(6):
        task = choose_task({"a": 50, "b": 50, "c": 20}, workers_on, None)
        workers_on[task] = workers_on.get(task, 0) + 1
    assert workers_on == {"a": 3, "b": 2, "c": 1}


def test_a_worker_keeps_its_scene_until_it_loses_it():
    scenes = SceneAssignment()
    assert scenes.assign(0, {"a": 5, "b": 4}) == "a"
    assert scenes.assign(1, {"a": 4, "b": 4}) == "b"
    assert scenes.assign(0, {"a": 1, "b": 4}) == "a"
    scenes.forget(0)
    assert scenes.assign(0, {"a": 1, "b": 4}) == "b"

import dataclasses

import pytest

from eval_bridge.evaluation.benchmarks import get_benchmark
from eval_bridge.evaluation.plan import EpisodeId, EvaluationPlan, plan_evaluation
from eval_bridge.simulators.perturbation.choice import Perturbation
from eval_bridge.workers.shard import Shard
from tests.eval_bridge.evaluation.evaluation_fakes import CountingBenchmark


def test_no_tasks_means_all_tasks():
    plan = plan_evaluation(CountingBenchmark(), EvaluationPlan((), 2, seed=7))
    assert plan.episodes == (EpisodeId(0, 0), EpisodeId(0, 1), EpisodeId(1, 0), EpisodeId(1, 1))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"perturbation": Perturbation("noise")}, "suite = 'counting_suite' does not exist"),
        ({"task_indices": (0, 2)}, r"tasks=\[2\] do not exist; counting_suite has the tasks 0 to 1"),
        ({"task_indices": (1, 1)}, "twice"),
        ({"episodes_per_task": 5}, "episodes_per_task=5 must lie between 1 and 4"),
        ({"episodes_per_task": 3, "first_episode": 2}, "first_episode=2 must lie between 0 and 1: .* 4 starts"),
        ({"first_episode": -1}, "first_episode=-1 must lie between 0 and 3"),
        ({"max_attempts": 0}, "max_attempts=0"),
        ({"video_stride": 0}, "video_stride=0"),
    ],
)
def test_impossible_plans_are_refused(values, message):
    plan = EvaluationPlan(**{"task_indices": (0,), "episodes_per_task": 1, "seed": 7} | values)
    with pytest.raises(ValueError, match=message):
        plan_evaluation(CountingBenchmark(), plan)


def test_other_episodes_of_the_same_tasks_are_asked_for_by_the_number_of_the_first():
    plan = EvaluationPlan((0, 1), 2, seed=7, first_episode=2, videos_per_task=1)
    assert plan_evaluation(CountingBenchmark(), plan).episodes == tuple(
        EpisodeId(*id) for id in ((0, 2), (0, 3), (1, 2), (1, 3))
    )
    assert [plan.stride_of(EpisodeId(0, number)) for number in (2, 3)] == [4, None]


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shards_are_disjoint_and_together_everything(count):
    whole = EvaluationPlan((0, 1), 4, seed=7)
    parts = [EvaluationPlan((0, 1), 4, seed=7, shard=Shard(index, count)).episodes for index in range(count)]
    assert [episode for part in parts for episode in part] == list(whole.episodes)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_an_episode_is_perturbed_alike_in_whatever_plan_it_stands():
    benchmark = get_benchmark("libero_development", "libero_spatial")
    plans = [
        EvaluationPlan((2,), 3, seed=7, perturbation=Perturbation("camera")),
        EvaluationPlan((2, 4), 9, seed=7, shard=Shard(1, 2), perturbation=Perturbation("camera")),
    ]
    first, second = (plan_evaluation(benchmark, plan).perturbation_of(benchmark, EpisodeId(2, 1)) for plan in plans)
    assert first is not None
    assert first == second
    other = dataclasses.replace(plans[0], seed=8).perturbation_of(benchmark, EpisodeId(2, 1))
    assert other is not None
    assert other.seeds == (8, 2, 1)
    assert EvaluationPlan((2,), 3, seed=7).perturbation_of(benchmark, EpisodeId(2, 1)) is None


def test_a_task_without_a_case_of_the_level_is_refused_before_any_episode():
    benchmark = get_benchmark("libero", "libero_spatial")
    plan = EvaluationPlan((3, 0), 1, seed=7, perturbation=Perturbation("camera", 5))
    with pytest.raises(ValueError, match=r"perturbation=camera_5 has no case of pick_up_the_black_bowl"):
        plan_evaluation(benchmark, plan)

"""An evaluation gives the same records whoever runs its episodes, in whatever order, with a real compiled policy."""

import dataclasses
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from eval_bridge.episodes.trace import load_trace
from eval_bridge.evaluation.benchmarks import get_benchmark
from eval_bridge.evaluation.episode_log import EpisodeLog, LogContents
from eval_bridge.evaluation.plan import EpisodeId, EvaluationPlan
from eval_bridge.evaluation.session import WorkerSettings, run_evaluation
from eval_bridge.policies.compiled_policy import CompiledPolicy

IDENTITY = {
    "suite": "point_mass",
    "simulator": "point_mass",
    "decoder": "speculative_greedy",
    "seed": 7,
    "step_limit": 60,
}
EPISODES = 5


class ShuffledPlan(EvaluationPlan):
    @property
    def episodes(self) -> tuple[EpisodeId, ...]:
        return tuple(EpisodeId(0, episode) for episode in (3, 0, 4, 2, 1))


@pytest.fixture(scope="module")
def runs(preflight_run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, LogContents]]:
    """The same evaluation by one worker, by four, and by two in another order."""
    policy = CompiledPolicy.load(preflight_run, batch_size=4)
    in_order = EvaluationPlan((0,), EPISODES, seed=7, latency_repeats=0)
    shuffled = ShuffledPlan((0,), EPISODES, seed=7, latency_repeats=0)
    runs = {}
    for name, plan, workers in (("one", in_order, 1), ("four", in_order, 4), ("shuffled", shuffled, 2)):
        folder = tmp_path_factory.mktemp(name)
        with EpisodeLog(folder / "episodes.jsonl", IDENTITY) as log:
            run_evaluation(
                partial(get_benchmark, "point_mass", "point_mass"),
                policy,
                plan,
                log,
                lambda record: None,
                WorkerSettings(workers),
            )
            runs[name] = folder, log.contents
    return runs


@pytest.mark.parametrize("other", ["four", "shuffled"])
def test_records_and_traces_are_identical(runs, other):
    (folder, contents), (other_folder, other_contents) = runs["one"], runs[other]
    assert set(contents.episodes) == set(other_contents.episodes) == {EpisodeId(0, k) for k in range(EPISODES)}
    for episode, record in contents.episodes.items():
        other_record = other_contents.episodes[episode]
        clocked = {"seconds": 0.0, "chunk_seconds": ()}
        assert record.rollout._replace(**clocked) == other_record.rollout._replace(**clocked)
        assert dataclasses.replace(record, rollout=other_record.rollout) == other_record
        traces = load_trace(folder / record.trace), load_trace(other_folder / record.trace)
        for field in ("actions", "chunks", "eef_positions", "item_positions"):
            np.testing.assert_array_equal(*(getattr(trace, field) for trace in traces))


def test_episodes_differ_from_each_other(runs):
    folder, contents = runs["one"]
    chunks = {load_trace(folder / record.trace).chunks[0].tobytes() for record in contents.episodes.values()}
    assert len(chunks) == EPISODES

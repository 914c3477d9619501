"""An evaluation gives the same records whoever runs its episodes, in whatever order, with a real compiled policy."""

import dataclasses
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from eval_bridge.episodes.execution.blocking import BLOCKING
from eval_bridge.episodes.execution.delayed import Asynchronous, Hold, RealTimeChunking
from eval_bridge.episodes.trace import load_trace
from eval_bridge.evaluation.benchmarks import get_benchmark
from eval_bridge.evaluation.delays import FixedDelay, LatencyProfile
from eval_bridge.evaluation.episode_log import EpisodeLog, LogContents
from eval_bridge.evaluation.plan import EpisodeId, EvaluationPlan
from eval_bridge.evaluation.session import WorkerSettings, run_evaluation
from eval_bridge.policies.compiled_policy import CompiledPolicy
from eval_bridge.policies.real_time import RealTimePolicy
from eval_bridge.simulators.perturbation.choice import Perturbation
from rsd_jax.file_digests import file_digest

IDENTITY = {
    "suite": "point_mass",
    "simulator": "point_mass",
    "decoder": "speculative_greedy",
    "seed": 7,
    "step_limit": 60,
}
EPISODES = 5
PROFILE = LatencyProfile("slow", "made up", (0.04, 0.09, 0.24))
ONE_AFTER_THE_OTHER, SHUFFLED = (0, 1, 2, 3, 4), (3, 0, 4, 2, 1)
CLOCKED = ("seconds", "chunk_seconds", "check")


@dataclasses.dataclass(frozen=True)
class OrderedPlan(EvaluationPlan):
    order: tuple[int, ...] = ONE_AFTER_THE_OTHER

    @property
    def episodes(self) -> tuple[EpisodeId, ...]:
        return tuple(EpisodeId(0, episode) for episode in self.order)


@pytest.fixture(scope="module")
def runs(preflight_run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, LogContents]]:
    """The same evaluation by other workers, in other orders, executed in other ways."""
    policies = {rows: CompiledPolicy.load(preflight_run, batch_size=rows) for rows in (4, 1)}
    real_time = RealTimePolicy.load(preflight_run, batch_size=4, coarse_layers=1)
    asynchronous, chunking, none = (Asynchronous(), PROFILE), (RealTimeChunking(), PROFILE), (BLOCKING, None)
    runs = {}
    noise, nothing = Perturbation("noise"), None
    for name, policy, order, workers, (execution, delay), perturbation in (
        ("one", policies[4], ONE_AFTER_THE_OTHER, 1, none, nothing),
        ("four", policies[4], ONE_AFTER_THE_OTHER, 4, none, nothing),
        ("shuffled", policies[4], SHUFFLED, 2, none, nothing),
        ("hold", policies[4], ONE_AFTER_THE_OTHER, 3, (Hold(), FixedDelay(0)), nothing),
        ("one_row", policies[1], ONE_AFTER_THE_OTHER, 2, none, nothing),
        ("hold_one_row", policies[1], ONE_AFTER_THE_OTHER, 1, (Hold(), FixedDelay(0)), nothing),
        ("async", policies[4], ONE_AFTER_THE_OTHER, 1, asynchronous, nothing),
        ("async_shuffled", policies[4], SHUFFLED, 3, asynchronous, nothing),
        ("rtc", real_time, ONE_AFTER_THE_OTHER, 1, chunking, nothing),
        ("rtc_shuffled", real_time, SHUFFLED, 3, chunking, nothing),
        ("noise", policies[4], ONE_AFTER_THE_OTHER, 1, none, noise),
        ("noise_shuffled", policies[4], SHUFFLED, 3, none, noise),
    ):
        folder = tmp_path_factory.mktemp(name)
        plan = OrderedPlan(
            (0,),
            EPISODES,
            seed=7,
            latency_repeats=0,
            execution=execution,
            delay=delay,
            perturbation=perturbation,
            order=order,
        )
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


def lines(folder):
    """The lines of episodes as they stand in the log, but for what the clock has a part in, and their traces."""
    found = []
    for line in (folder / "episodes.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record["kind"] == "episode":
            assert set(CLOCKED) < set(record)
            lasting = {name: value for name, value in record.items() if name not in CLOCKED}
            found.append((json.dumps(lasting), file_digest(folder / record["trace"])))
    return sorted(found)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *[("one", "four"), ("one", "shuffled"), ("one", "hold"), ("one_row", "hold_one_row")],
        *[("async", "async_shuffled"), ("rtc", "rtc_shuffled"), ("noise", "noise_shuffled")],
    ],
)
def test_records_and_traces_are_identical(runs, one, other):
    (folder, contents), (other_folder, _) = runs[one], runs[other]
    assert set(contents.episodes) == {EpisodeId(0, k) for k in range(EPISODES)}
    assert lines(folder) == lines(other_folder)


def test_noise_changes_what_the_policy_does_and_is_told_episode_by_episode(runs):
    (folder, contents), (plain_folder, plain) = runs["noise"], runs["one"]
    cases = [contents.episodes[EpisodeId(0, episode)].case for episode in range(EPISODES)]
    assert len(set(cases)) == EPISODES
    assert {case.kind for case in cases} == {"noise"}
    assert [record.case for record in plain.episodes.values()] == [None] * EPISODES
    assert "case" not in (plain_folder / "episodes.jsonl").read_text()
    first, other = (
        load_trace(where / log.episodes[EpisodeId(0, 0)].trace).chunks[0]
        for where, log in ((folder, contents), (plain_folder, plain))
    )
    assert (first != other).any()


def test_episodes_differ_from_each_other(runs):
    folder, contents = runs["one"]
    chunks = {load_trace(folder / record.trace).chunks[0].tobytes() for record in contents.episodes.values()}
    assert len(chunks) == EPISODES


def test_executions_are_paired_on_the_same_delays_and_differ_in_what_they_do(runs):
    timings = {name: [each.rollout.timing for each in runs[name][1].episodes.values()] for name in ("async", "rtc")}
    for first, second in zip(*timings.values(), strict=True):
        calls = min(len(first.delays), len(second.delays))
        assert first.delays[:calls] == second.delays[:calls]
        assert set(first.delays) <= {1, 2, 5}
        # The first call and those of 5 steps find nothing left; of the others there is nothing to hold.
        assert first.underruns >= 1 + first.delays[1:-1].count(5)
    assert len({timing.delays[:5] for timing in timings["async"]}) > 1
    actions = [np.concatenate(_actions(*runs[name])) for name in ("async", "rtc")]
    assert actions[0].shape != actions[1].shape or (actions[0] != actions[1]).any()


def test_a_promised_step_is_what_the_chunk_says_that_was_decided_on_meanwhile(runs):
    """To the last bit: the promised digits are given with all layers, and decode to the same actions."""
    folder, contents = runs["rtc"]
    promised = 0
    for record in contents.episodes.values():
        trace = load_trace(folder / record.trace)
        for call in range(1, len(trace.chunk_starts)):
            step = trace.chunk_starts[call]
            fixed = [
                ahead
                for ahead in range(record.rollout.timing.delays[call])
                if step + ahead < len(trace.actions) and trace.sources[step + ahead] == call - 1
            ]
            np.testing.assert_array_equal(trace.chunks[call][fixed], trace.actions[step + np.array(fixed, int)])
            promised += len(fixed)
    assert promised > 20


def _actions(folder, contents):
    return [load_trace(folder / record.trace).actions for record in contents.episodes.values()]

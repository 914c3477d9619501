import dataclasses
import json
from pathlib import Path

import pytest

from eval_bridge.episodes.acceptance import EpisodeAcceptance
from eval_bridge.episodes.execution.timing import EpisodeTiming
from eval_bridge.episodes.rollout import ActionSummary, Rollout
from eval_bridge.evaluation.delays import LatencyProfile
from eval_bridge.evaluation.episode_log import LogContents
from eval_bridge.evaluation.plan import EpisodeId
from eval_bridge.evaluation.records import EpisodeRecord, ErrorRecord, LatencyRecord, SessionRecord
from eval_bridge.evaluation.summary import describe, summarise, write_summary
from eval_bridge.evaluation.timing_summary import TimingSummary
from eval_bridge.policies.latency import Latency
from eval_bridge.simulators.perturbation.cases import Case
from eval_bridge.statistics.intervals import wilson_interval
from tests.eval_bridge.evaluation.log_examples import NO_DRAFTS, NO_TOKENS

IDENTITY = {
    "suite": "libero_spatial",
    "simulator": "libero",
    "decoder": "speculative_greedy",
    "seed": 7,
    "step_limit": 220,
}
REQUIRED = {
    "suite",
    "tasks",
    "episodes",
    "successes",
    "errors",
    "success_rate",
    "success_interval",
    "decoder",
    "decoder_settings",
    "token_acceptance",
    "layer_acceptance",
    "latency_ms",
    "device",
    "versions",
    "commit",
    "seed",
}


ACCEPTANCE = EpisodeAcceptance(
    accepted=((4, 2), (1, 0), (0, 0)),
    proposed=((4, 4), (4, 4), (0, 0)),
    whole_layers=(1, 0, 0),
    drafted_layers=(2, 2, 0),
    first_run=(1, 1, 0),
)


def record(task_index, episode, success, acceptance=ACCEPTANCE, rounds=(3, 5)):
    return EpisodeRecord(
        suite="libero_spatial",
        task=f"task_{task_index}",
        task_index=task_index,
        episode=episode,
        seed=7,
        decoder="speculative_greedy",
        rollout=Rollout(
            success=success,
            steps=100 + episode,
            seconds=2.0,
            rounds=rounds,
            chunk_seconds=(0.1,) * len(rounds),
            acceptance=acceptance,
            actions=ActionSummary((0.0,) * 7, (1.0,) * 7, 0.0, 1),
        ),
    )


def log_with(*records):
    log = LogContents(identity=IDENTITY)
    log.add(SessionRecord("2025-01-01T00:00:00+00:00", "CPU", "abc", {"jax": "0.10.2"}))
    for each in records:
        log.add(each)
    return log


def crash(task_index, episode):
    return ErrorRecord("libero_spatial", f"task_{task_index}", task_index, episode, 1, "RuntimeError()", "Traceback")


def test_by_hand():
    log = log_with(record(0, 0, True), record(0, 1, False), record(2, 0, True), crash(2, 1), crash(0, 1))
    log.add(LatencyRecord("GPU", 100, {"chunk": Latency(1.0, 2.0, 3.0)}))
    summary = summarise(log, planned=4)
    assert (summary.episodes, summary.successes, summary.errors, summary.crashed_attempts) == (3, 2, 1, 2)
    assert summary.success_rate == pytest.approx(2 / 3)
    assert summary.success_interval == wilson_interval(2, 3)
    assert summary.tasks == ("task_0", "task_2")
    assert [(task.episodes, task.successes, task.errors) for task in summary.per_task] == [(2, 1, 0), (1, 1, 1)]
    assert summary.token_acceptance == pytest.approx(7 / 16)
    assert summary.layer_acceptance == (0.75, 0.125, None)
    assert summary.column_acceptance == (0.625, 0.25)
    assert summary.digit_acceptance == ((1.0, 0.5), (0.25, 0.0), (None, None))
    assert summary.whole_layer_acceptance == (0.5, 0.0, None)
    assert summary.first_run == (3, 3, 0)
    assert summary.rounds_mean == 4.0
    assert summary.steps_mean == 100.0
    assert summary.seconds == 6.0


def test_crashed_episode_is_in_no_rate():
    finished = [record(0, 0, True), record(0, 1, True)]
    assert summarise(log_with(*finished, crash(0, 2)), planned=3).success_rate == 1.0


def test_file_has_every_promised_field(tmp_path):
    log = log_with(record(0, 0, True))
    log.add(LatencyRecord("CPU", 100, {"chunk": Latency(1.0, 2.0, 3.0)}))
    write_summary(tmp_path / "summary.json", summarise(log, planned=1))
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert set(summary) >= REQUIRED
    assert summary["latency_ms"] == {"chunk": {"p50": 1.0, "p90": 2.0, "p99": 3.0}}
    assert summary["layer_acceptance"] == [0.75, 0.125, None]
    assert summary["column_acceptance"] == [0.625, 0.25]
    assert summary["digit_acceptance"] == [[1.0, 0.5], [0.25, 0.0], [None, None]]
    assert summary["whole_layer_acceptance"] == [0.5, 0.0, None]
    assert summary["success_interval"] == pytest.approx(wilson_interval(1, 1))


def test_decoder_without_drafts_has_no_acceptance():
    summary = summarise(log_with(record(0, 0, False, acceptance=NO_DRAFTS)), planned=1)
    assert summary.token_acceptance is None
    assert summary.layer_acceptance == summary.whole_layer_acceptance == (None, None, None)
    assert summary.column_acceptance == (None, None)
    assert summary.first_run == (0, 0, 0)
    assert summary.steps_mean is None


def test_policy_without_tokens_has_no_layers():
    summary = summarise(log_with(record(0, 0, False, acceptance=NO_TOKENS, rounds=(0, 0))), planned=1)
    assert summary.token_acceptance is None
    assert summary.layer_acceptance == summary.digit_acceptance == summary.first_run == ()
    assert summary.rounds_mean is None


def test_only_crashes_still_give_a_summary():
    summary = summarise(log_with(crash(0, 0)), planned=1)
    assert (summary.episodes, summary.errors, summary.success_rate) == (0, 1, None)
    assert summary.success_interval == (0.0, 1.0)
    assert summary.layer_acceptance == ()


def test_sessions_of_several_commits_are_all_named():
    log = log_with(record(0, 0, True))
    log.add(dataclasses.replace(log.sessions[0], commit="def"))
    summary = summarise(log, planned=1)
    assert summary.commit == "def"
    assert summary.commits == ("abc", "def")


def test_failed_write_keeps_the_earlier_file(tmp_path, monkeypatch):
    path = tmp_path / "summary.json"
    write_summary(path, summarise(log_with(record(0, 0, True)), planned=1))
    before = path.read_bytes()

    def full_disk(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rsd_jax.atomic_files.os.fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_summary(path, summarise(log_with(record(0, 0, False)), planned=1))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["summary.json"]


def test_empty_log_names_the_command():
    with pytest.raises(ValueError, match=r"launch\.evaluate"):
        summarise(LogContents(), planned=1)


def test_episodes_outside_the_plan_are_left_out():
    log = log_with(record(0, 0, True), record(1, 0, False), crash(1, 1), crash(0, 1))
    restricted = log.restricted_to({EpisodeId(0, 0), EpisodeId(0, 1)})
    summary = summarise(restricted, planned=2)
    assert (summary.episodes, summary.successes, summary.errors) == (1, 1, 1)
    assert len(log.episodes) == 2


def test_time_is_summed_where_it_passes():
    timed = [
        dataclasses.replace(each, rollout=each.rollout._replace(steps=4, timing=timing))
        for each, timing in (
            (record(0, 0, True), EpisodeTiming((1, 2), (None, 1, 2, 2), 1)),
            (record(0, 1, False), EpisodeTiming((3, 3), (None, None, 3, None), 2)),
        )
    ]
    log = log_with(*timed)
    log.identity = {**IDENTITY, "execution": "async", "delay": "slow"}
    log.add(LatencyProfile("slow", "made up", (0.1,)))
    summary = summarise(log, planned=2)
    assert summary.timing == TimingSummary("async", "slow", 2.25, 2.0, (0, 1, 2, 1), 4, 3, 8, "made up")
    assert summary.to_json()["timing"]["holds"] == 4
    assert "time        async, delay slow: 4 of 8 steps held in 3 calls, actions 2.0 steps old on average" in (
        describe(summary, Path("report.html"))
    )
    assert "timing" not in summarise(log_with(record(0, 0, True)), planned=1).to_json()


def test_perturbed_episodes_are_counted_by_level_and_form():
    cases = [Case("noise", "3", 1), Case("noise", "3", 1), Case("noise", "17", 2), Case("noise", "35", 2)]
    records = [
        dataclasses.replace(record(0, episode, success), case=case)
        for episode, (case, success) in enumerate(zip(cases, (True, False, False, True), strict=True))
    ]
    log = log_with(*records)
    log.identity = {**IDENTITY, "perturbation": "noise"}
    perturbation = summarise(log, planned=4).perturbation
    assert (perturbation.name, perturbation.in_words) == ("noise", "Sensor Noise of LIBERO-Plus, all levels")
    assert perturbation.cases == 3
    assert [(each.name, each.episodes, each.successes) for each in perturbation.by_level] == [
        ("level 1", 2, 1),
        ("level 2", 2, 1),
    ]
    assert [(each.name, each.successes) for each in perturbation.by_form] == [
        ("Gaussian blur", 0),
        ("fog", 1),
        ("motion blur", 1),
    ]
    assert perturbation.by_level[0].interval == wilson_interval(1, 2)
    told = describe(summarise(log, planned=4), Path("report.html"))
    assert "perturbed   Sensor Noise of LIBERO-Plus, all levels: Gaussian blur 0/1, fog 1/1, motion blur 1/2" in told
    assert "perturbation" not in summarise(log_with(record(0, 0, True)), planned=1).to_json()


def test_without_delay_nothing_tells_the_ages_of_actions():
    log = log_with(record(0, 0, True))
    log.identity = {**IDENTITY, "execution": "hold", "delay": 0}
    timing = summarise(log, planned=1).timing
    assert (timing.delay, timing.delay_mean, timing.action_age_mean, timing.holds) == (0, None, None, 0)


def test_random_weights_are_told_in_red_and_of_others_nothing(tmp_path):
    log = log_with(record(0, 0, True))
    assert "has_random_weights" not in summarise(log, 1).to_json()
    log.identity = {**IDENTITY, "weights": "random"}
    summary = summarise(log, 1)
    assert summary.to_json()["has_random_weights"] is True
    assert describe(summary, tmp_path / "report.html").startswith("\x1b[31mrandom weights: nothing was trained")

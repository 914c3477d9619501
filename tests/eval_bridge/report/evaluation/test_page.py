import re

import numpy as np
import pytest

from eval_bridge.episodes.acceptance import EpisodeAcceptance
from eval_bridge.episodes.execution.timing import EpisodeTiming
from eval_bridge.episodes.rollout import VideoFrame
from eval_bridge.episodes.trace import TraceError, save_trace, trace_name
from eval_bridge.episodes.video import write_episode_video
from eval_bridge.evaluation.comparison import compare
from eval_bridge.evaluation.delays import LatencyProfile
from eval_bridge.evaluation.records import ErrorRecord, SpeedRecord
from eval_bridge.evaluation.summary import summarise
from eval_bridge.policies.latency import Latency
from eval_bridge.report.evaluation.page import render_report, write_report
from eval_bridge.report.evaluation.speculation import heat_table
from eval_bridge.simulators.perturbation.cases import Case
from tests.eval_bridge.analysis.trace_examples import cut, missed, pick_and_place, slipped
from tests.eval_bridge.evaluation.log_examples import DIGEST, NO_TOKENS, log_of, make_log, make_record
from tests.eval_bridge.report.page_parser import Page

CONFIG = {"run_dir": "runs/x", "tasks": (0, 1), "video": {"per_task": 1, "stride": 4}}
EPISODES = {
    (0, 0): (True, pick_and_place()),
    (0, 1): (False, missed()),
    (0, 2): (True, pick_and_place()),
    (1, 0): (False, slipped()),
    (1, 1): (False, missed()),
    (1, 2): (True, pick_and_place()),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Traces of all episodes, videos of the first of each task."""
    folder = tmp_path_factory.mktemp("evaluation")
    frames = [VideoFrame(np.full((64, 64, 3), 40 * step, np.uint8), step) for step in range(4)]
    for (task, episode), (success, trace) in EPISODES.items():
        save_trace(folder / "traces" / trace_name(task, episode), trace)
        if episode == 0:
            write_episode_video(folder / "videos", task, episode, success, "take the bowl", frames)
    return folder


def evaluated(traces=True, **changes):
    records = []
    for (task, episode), (success, _) in EPISODES.items():
        outcome = "success" if success else "failure"
        trace = f"traces/{trace_name(task, episode)}" if traces else None
        video = f"videos/task{task:02d}_episode000_{outcome}.mp4" if episode == 0 else None
        records.append(make_record(task, episode, success, trace=trace, video=video, **changes))
    return make_log(*records)


def page_of(log, folder, **more):
    return Page(render_report(summarise(log, planned=6), log, CONFIG, folder, **more))


def test_time_that_passed_is_told_where_it_did(folder):
    log = evaluated(timing=EpisodeTiming((2, 2), (None, None, 2, 3, 2), 1), steps=5)
    log.identity |= {"execution": "async", "delay": "slow"}
    log.add(LatencyProfile("slow", "made up", (0.1,)))
    page = page_of(log, folder)
    assert "async at a delay of slow" in page.text
    assert "a call takes drawn from" not in page.text
    assert "Steps that a call takes: drawn from slow (made up), 2.00 on average" in page.text
    assert "The robot held still in 12 of 675 steps, during 6 calls." in page.text
    assert "An action was executed 2.3 steps after the observation that it was decided on, on average." in page.text
    assert "Time while the policy computes" not in page_of(evaluated(), folder).text


def test_what_was_perturbed_is_told_in_words_with_every_episodes_case(folder):
    log = evaluated(case=Case("camera", "0_0_150_0_0", 3))
    log.identity |= {"perturbation": "camera"}
    page = page_of(log, folder)
    assert "Camera Viewpoints of LIBERO-Plus, all levels" in page.text
    assert (
        "The third-person camera stands elsewhere or looks elsewhere; that in the hand stays. 2 different cases."
        in (page.text)
    )
    assert page.text.count("farther away 0_0_150_0_0, level 3") == 6
    assert "What was perturbed" not in page_of(evaluated(), folder).text


def test_report_shows_what_was_found(folder):
    page = page_of(evaluated(), folder)
    assert "3 of 6 episodes succeeded" in page.text
    assert "95 % Wilson interval: 18.8 % to 81.2 %" in page.text
    assert "50.0 % of drafted tokens accepted" in page.text
    for text in ("75.0 %", "25.0 %", "never drafted", "first task", "second task", "checkpoint.rfsq", DIGEST):
        assert text in page.text
    for text in ("Chunk, fused (deployed)", "Sum of the stages", "video.per_task", "jax", "one GPU"):
        assert text in page.text
    assert page.count["video"] == 2


def test_acceptance_is_shown_by_layer_and_latent_dimension(tmp_path):
    log = make_log(make_record(0, 0, True), make_record(0, 1, False))
    source = render_report(summarise(log, planned=2), log, CONFIG, tmp_path)
    heat = Page(re.search(r'<table class="heat">.*?</table>', source, re.DOTALL).group())
    assert heat.text.split() == [
        *("Layer", "D0", "D1", "all"),
        *("L0", "100.0", "50.0", "75.0"),
        *("L1", "50.0", "0.0", "25.0"),
        *("L2", "–", "–", "–"),  # noqa: RUF001
        *("all", "75.0", "25.0", "50.0"),
    ]
    shares = re.findall(r'<td style="--share:([\d.]+)%">', source)
    assert [float(share) for share in shares] == [0, 30, 15, 30, 60, 45, 0, 0, 0, 15, 45, 30]


def test_small_rejections_are_not_shouted():
    """One of a hundred rejected is a fifth of the strongest colour, which stands for 5 %."""
    acceptance = EpisodeAcceptance(((99, 100),), ((100, 100),), (0,), (1,), (1, 0))
    log = make_log(make_record(0, 0, True, acceptance=acceptance))
    table = heat_table(summarise(log, planned=1))
    assert table.full == "5 %"
    assert [cell.text for cell in table.rows[0].cells] == ["99.0", "100.0", "99.5"]
    assert [cell.percent for cell in table.rows[0].cells] == pytest.approx([12, 0, 6])


def test_whole_layers_and_first_runs_are_shown(folder):
    text = page_of(evaluated(), folder).text
    whole, first = text.split("accepted whole (and that drafted it)")[1].split("accepted in the first round")[:2]
    assert "L0 12 50.0 % L1 12 0.0 % L2 0 never drafted" in whole
    assert "0 6 chunks 50 % 1 6 chunks 50 % 2 0 chunks 0 %" in first


def test_motion_time_and_failures_come_from_the_traces(folder):
    text = page_of(evaluated(), folder).text
    for heading in ("Motion", "Time to success", "Failures", "Smoothness", "Chunk borders"):
        assert heading in text
    assert "From the traces of 6 episodes" in text
    assert "No grasp: 2 episodes" in text
    assert "Dropped: 1 episode " in text
    assert "bowl_1 was never held" in text
    assert "closed on nothing 33 % 2" in re.sub("\N{NO-BREAK SPACE}", " ", text)
    assert text.index("No grasp: 2") < text.index("Dropped: 1")  # the more frequent one first


def test_video_of_a_failure_is_shown_with_its_reason_and_not_again(folder):
    text = page_of(evaluated(), folder).text
    failures, others = text.split("Other videos")
    assert "bowl_1 was carried" in failures.split("Dropped: 1 episode")[1]
    assert text.count("Task 1, episode 0") == 1
    assert "Task 0, episode 0 success" in others


def test_sections_that_need_traces_are_left_out_without(folder):
    page = page_of(evaluated(traces=False), folder)
    for heading in ("Motion", "Failures", "Smoothness", "Other videos"):
        assert heading not in page.text
    assert "Time to success" in page.text
    assert "Videos show twice the robot's speed" in page.text
    assert page.count["video"] == 2


def test_deleted_traces_are_left_out(folder, tmp_path):
    save_trace(tmp_path / "traces" / trace_name(0, 1), missed())
    assert "From the traces of 1 episodes" in page_of(evaluated(), tmp_path).text


def test_damaged_trace_is_named(tmp_path):
    (tmp_path / "traces").mkdir()
    (tmp_path / "traces" / trace_name(0, 1)).write_bytes(b"nothing")
    with pytest.raises(TraceError, match=trace_name(0, 1)):
        page_of(evaluated(), tmp_path)


def test_very_short_episodes_have_no_smoothness(tmp_path):
    save_trace(tmp_path / "traces" / trace_name(0, 0), cut(pick_and_place(), 1))
    assert "Motion" in page_of(evaluated(), tmp_path).text


def test_report_needs_nothing_beside_it(folder):
    log = evaluated()
    source = render_report(summarise(log, planned=6), log, CONFIG, folder)
    assert Page(source).addresses
    assert all(address.startswith("data:") for address in Page(source).addresses)
    assert not re.search(r"https?://|@import|url\(", source)


def test_large_videos_stay_beside_the_report(folder, monkeypatch):
    monkeypatch.setattr("eval_bridge.report.evaluation.films.EMBEDDED_VIDEO_LIMIT", 10)
    page = page_of(evaluated(), folder)
    videos = [address for address in page.addresses if address.endswith(".mp4")]
    assert sorted(videos) == ["videos/task00_episode000_success.mp4", "videos/task01_episode000_failure.mp4"]
    assert page.text.count("keep the folder videos beside this file") == 2


def test_deleted_videos_are_left_out(tmp_path):
    assert "video" not in page_of(evaluated(), tmp_path).count


def test_crashes_are_told_and_their_text_is_escaped(tmp_path):
    log = make_log(make_record(0, 0, True))
    error = "RuntimeError('<script>alert(1)</script>')"
    log.add(ErrorRecord("libero_spatial", "first_task", 0, 1, 1, error, f"Traceback: {error}"))
    source = render_report(summarise(log, planned=3), log, CONFIG, tmp_path)
    text = Page(source).text
    assert "This evaluation is not complete." in text
    assert "Planned episodes without a result: 2; crashed: 1" in text
    assert "<script>" not in source
    assert "alert(1)" in text


def test_log_with_crashes_alone(tmp_path):
    log = make_log()
    log.add(ErrorRecord("libero_spatial", "first_task", 0, 0, 1, "RuntimeError()", "Traceback"))
    assert "Time to success" not in Page(render_report(summarise(log, planned=1), log, CONFIG, tmp_path)).text


def test_policy_without_tokens_has_no_speculation(tmp_path):
    log = make_log(make_record(0, 0, True, acceptance=NO_TOKENS, rounds=(0, 0)), decoder="l1_regression")
    text = Page(render_report(summarise(log, planned=1), log, CONFIG, tmp_path)).text
    assert "L1 regression" in text
    assert "Speculation" not in text
    assert "the cost model" not in text


def test_speed_of_the_last_session(tmp_path):
    log = make_log(make_record(0, 0, True))
    assert "steps per second" not in page_of(log, tmp_path).text
    log.add(SpeedRecord("one GPU", workers=16, episodes=10, steps=1000, seconds=4.0))
    assert "250 steps per second with 16 workers" in page_of(log, tmp_path).text


@pytest.mark.parametrize(("step_ms", "verdict"), [(5.0, "at most 1.78"), (1.0, "makes a chunk slower: 0.44")])
def test_speed_up_and_slow_down_are_called_so(tmp_path, step_ms, verdict):
    """Three layers of `step_ms` against four rounds of 2 ms, and 1 ms for the backbone."""
    log = make_log(make_record(0, 0, True))
    log.latency.stages["step_pass"] = Latency(step_ms, step_ms, step_ms)
    assert verdict in page_of(log, tmp_path).text


def test_comparisons_are_a_section_each(folder):
    other = log_of({0: "++-", 1: "-++"})
    comparison = compare(other, evaluated(), ("evaluation_other", "evaluation"))
    text = page_of(evaluated(), folder, comparisons=[comparison, comparison]).text
    assert text.count("evaluation compared with evaluation_other") == 2
    assert "exact McNemar test p = 1" in text


def test_failed_write_keeps_the_earlier_report(tmp_path, monkeypatch):
    log = make_log(make_record(0, 0, True))
    summary = summarise(log, planned=1)
    write_report(tmp_path / "report.html", summary, log, CONFIG)
    before = (tmp_path / "report.html").read_bytes()

    def full_disk(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rsd_jax.atomic_files.os.fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_report(tmp_path / "report.html", summary, log, CONFIG)
    assert (tmp_path / "report.html").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_random_weights_are_told_in_red_above_everything(tmp_path):
    log = evaluated(traces=False)
    sources = []
    for identity in (log.identity, {**log.identity, "weights": "random"}):
        log.identity = identity
        sources.append(render_report(summarise(log, planned=6), log, CONFIG, tmp_path))
    notice = '<div class="notice alarm"><p>Random weights: nothing was trained'
    assert [notice in source for source in sources] == [False, True]
    assert sources[1].index(notice) < sources[1].index("<h1")
    assert ".notice.alarm p { color: var(--bad)" in sources[1]

import dataclasses
import html.parser
import re

import pytest

from eval_bridge.episode_log import EpisodeLog, ErrorRecord
from eval_bridge.evaluation import EvaluationPlan, run_evaluation
from eval_bridge.latency import Latency
from eval_bridge.report import cost_model, render_report, write_report
from tests.eval_bridge.evaluation_fakes import CountingBenchmark, CountingPolicy

IDENTITY = {
    "suite": "counting_suite",
    "simulator": "counting",
    "decoder": "speculative_greedy",
    "seed": 7,
    "step_limit": 25,
    "checkpoint.rfsq": "3f0a6b7c",
}
CONFIG = {"run_dir": "runs/x", "tasks": (0, 1), "video": {"per_task": 1, "stride": 4}}


class Page(html.parser.HTMLParser):
    """Counts tags, checks that they nest, and collects addresses and the text."""

    VOID = frozenset({"meta", "img", "br", "link", "rect", "line", "circle"})

    def __init__(self, source):
        super().__init__()
        self.open, self.count, self.addresses, self.words = [], {}, [], []
        self.feed(source)
        assert self.open == []
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag, attributes):
        self.count[tag] = self.count.get(tag, 0) + 1
        self.addresses += [value for name, value in attributes if name in ("src", "href", "poster")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.addresses += [value for name, value in attributes if name in ("src", "href", "poster")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation")
    plan = EvaluationPlan((0, 1), 3, seed=7, videos_per_task=1, latency_repeats=3)
    with EpisodeLog(folder / "episodes.jsonl", IDENTITY) as log:
        summary = run_evaluation(CountingBenchmark(), CountingPolicy(), plan, log, lambda record: None)
    return folder, summary, log.contents


def test_report_shows_what_was_found(evaluated):
    folder, summary, log = evaluated
    page = Page(render_report(summary, log, CONFIG, folder))
    assert "4 of 6 episodes succeeded" in page.text
    assert "95 % Wilson interval: 30.0 % to 90.3 %" in page.text
    assert "50.0 % of drafted tokens accepted" in page.text
    for text in ("75.0 %", "25.0 %", "never drafted", "first task", "second task", "checkpoint.rfsq", "3f0a6b7c"):
        assert text in page.text
    for text in ("Chunk, fused (deployed)", "Sum of the stages", "video.per_task", "jax", summary.device):
        assert text in page.text
    assert page.count["video"] == 2


def test_report_needs_nothing_beside_it(evaluated):
    folder, summary, log = evaluated
    source = render_report(summary, log, CONFIG, folder)
    assert Page(source).addresses
    assert all(address.startswith("data:") for address in Page(source).addresses)
    assert not re.search(r"https?://|@import|url\(", source)


def test_large_videos_stay_beside_the_report(evaluated, monkeypatch):
    folder, summary, log = evaluated
    monkeypatch.setattr("eval_bridge.report.EMBEDDED_VIDEO_LIMIT", 10)
    page = Page(render_report(summary, log, CONFIG, folder))
    videos = [address for address in page.addresses if address.endswith(".mp4")]
    assert videos == ["videos/task00_episode000_success.mp4", "videos/task01_episode000_success.mp4"]
    assert "keep the folder videos beside this file" in page.text


def test_deleted_videos_are_left_out(evaluated, tmp_path):
    _, summary, log = evaluated
    assert "video" not in Page(render_report(summary, log, CONFIG, tmp_path)).count


def test_crashes_are_told_and_their_text_is_escaped(tmp_path):
    def fail():
        raise RuntimeError("<script>alert(1)</script>")

    plan = EvaluationPlan((0,), 3, seed=7, latency_repeats=0)
    with EpisodeLog(tmp_path / "episodes.jsonl", IDENTITY) as log:
        summary = run_evaluation(CountingBenchmark(fail), CountingPolicy(), plan, log, lambda record: None)
    assert isinstance(log.contents.errors[0], ErrorRecord)
    source = render_report(summary, log.contents, CONFIG, tmp_path)
    page = Page(source)
    assert "This evaluation is not complete." in page.text
    assert "Planned episodes without a result: 3; crashed: 1" in page.text
    assert "<script>" not in source
    assert "alert(1)" in page.text


def test_policy_without_tokens_has_no_speculation(evaluated, tmp_path):
    class Regression(CountingPolicy):
        def act(self, observation):
            output = super().act(observation)
            return output._replace(rounds=0, accepted=output.accepted * 0, proposed=output.proposed * 0)

    plan = EvaluationPlan((0,), 1, seed=7, latency_repeats=0)
    identity = IDENTITY | {"decoder": "l1_regression"}
    with EpisodeLog(tmp_path / "episodes.jsonl", identity) as log:
        summary = run_evaluation(CountingBenchmark(), Regression("l1_regression"), plan, log, lambda record: None)
    text = Page(render_report(summary, log.contents, CONFIG, tmp_path)).text
    assert "L1 regression" in text
    assert "Speculation" not in text
    assert "Latency" not in text


def test_cost_model_by_hand():
    latency = {"backbone": 10.0, "draft_pass": 1.0, "verify_pass": 2.0, "step_pass": 1.5}
    latency = {name: Latency(value, value, value) for name, value in latency.items()}
    model = cost_model(latency, layers=8, rounds=3.0)
    assert model.autoregressive == 10 + 8 * 1.5
    assert model.speculative == 10 + 3 * (1 + 2)
    assert model.ceiling == pytest.approx(22 / 19)
    assert cost_model({name: latency[name] for name in ("backbone", "draft_pass")}, 8, 3.0) is None
    assert cost_model(latency, 8, None) is None


def test_decoder_without_a_draft_has_no_cost_model_of_speculation(evaluated):
    folder, summary, log = evaluated
    assert "the cost model" in Page(render_report(summary, log, CONFIG, folder)).text
    without = dataclasses.replace(summary, token_acceptance=None, layer_acceptance=(None,) * 3)
    assert "the cost model" not in Page(render_report(without, log, CONFIG, folder)).text


def test_slow_down_is_called_one(evaluated):
    folder, summary, log = evaluated
    slow = {"backbone": 1.0, "draft_pass": 5.0, "verify_pass": 5.0, "step_pass": 1.0}
    summary.latency_ms.update({name: Latency(value, value, value) for name, value in slow.items()})
    assert "makes a chunk slower" in Page(render_report(summary, log, CONFIG, folder)).text


def test_failed_write_keeps_the_earlier_report(evaluated, tmp_path, monkeypatch):
    _, summary, log = evaluated
    write_report(tmp_path / "report.html", summary, log, CONFIG)
    before = (tmp_path / "report.html").read_bytes()

    def full_disk(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("eval_bridge.summary.os.fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_report(tmp_path / "report.html", summary, log, CONFIG)
    assert (tmp_path / "report.html").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]

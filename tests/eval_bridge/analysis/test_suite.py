import pytest

from eval_bridge.analysis.episode import analyse
from eval_bridge.analysis.failure_phases import Phase
from eval_bridge.analysis.gripper_events import Outcome
from eval_bridge.analysis.suite import SuiteAnalysis, analyse_traces
from eval_bridge.episodes.trace import save_trace
from eval_bridge.evaluation.plan import EpisodeId
from tests.eval_bridge.analysis.trace_examples import missed, pick_and_place, slipped
from tests.eval_bridge.evaluation.log_examples import make_record

EPISODES = {
    EpisodeId(0, 0): analyse(pick_and_place(), True),
    EpisodeId(0, 1): analyse(slipped(), False),
    EpisodeId(1, 0): analyse(missed(), False),
    EpisodeId(0, 2): analyse(missed(), False),
}


def test_phases_by_frequency_episodes_in_order():
    assert list(SuiteAnalysis(EPISODES).phases().items()) == [
        (Phase.NO_GRASP, (EpisodeId(0, 2), EpisodeId(1, 0))),
        (Phase.DROPPED, (EpisodeId(0, 1),)),
    ]


def test_closings():
    assert SuiteAnalysis(EPISODES).closings() == {Outcome.GRASPED: 2, Outcome.EMPTY: 2, Outcome.CUT_SHORT: 0}


def test_spread_over_all_and_over_successes_and_failures():
    suite = SuiteAnalysis(EPISODES)
    holds = {True: 1.0, False: 0.0}
    assert suite.spread(lambda each: float(len(each.holds))) == (pytest.approx(0.0), 0.5, pytest.approx(1.0))
    assert suite.spread(lambda each: float(len(each.holds)), success=True) == (1.0, 1.0, 1.0)
    assert suite.spread(lambda each: holds[each.success], success=False) == (0.0, 0.0, 0.0)
    assert suite.spread(lambda each: None) is None


def test_jumps_are_means_over_episodes_where_there_are_any():
    twice_as_long = analyse(pick_and_place(chunk_length=16, executed=8), True)
    suite = SuiteAnalysis({EpisodeId(0, 0): EPISODES[EpisodeId(0, 0)], EpisodeId(0, 1): twice_as_long})
    jumps = suite.jump_by_position()
    assert jumps[:8] == pytest.approx(twice_as_long.borders.jump_by_position[:8])
    assert jumps[8:] == (None,) * 8


def test_episodes_without_a_trace_are_left_out(tmp_path):
    save_trace(tmp_path / "a.npz", slipped())
    records = [
        make_record(0, 0, True),
        make_record(0, 1, False, trace="a.npz"),
        make_record(0, 2, True, trace="b.npz"),
    ]
    suite = analyse_traces(tmp_path, records)
    assert list(suite.episodes) == [EpisodeId(0, 1)]
    assert not suite.episodes[EpisodeId(0, 1)].success
    assert analyse_traces(tmp_path, records[:1]) is None

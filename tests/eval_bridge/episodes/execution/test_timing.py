from eval_bridge.episodes.execution.interface import HELD
from eval_bridge.episodes.execution.timing import EpisodeTiming, timing_of, whole_chunk_ages


def test_ages_count_from_the_observation_and_underruns_are_calls_that_were_waited_for():
    # Calls at steps 0 and 3; the first is waited for in two runs of held steps, the second in none.
    timing = timing_of([1, 2], [0, 3], [HELD, 0, HELD, 0, 0, 1], chunk_length=4)
    assert timing == EpisodeTiming(delays=(1, 2), ages=(None, 1, None, 3, 4, 2), underruns=1)
    assert timing.holds == 2


def test_what_goes_as_when_the_clock_stands_still_tells_nothing():
    assert timing_of([0, 0], [0, 4], [0, 0, 0, 0, 1, 1], chunk_length=4) is None
    assert timing_of([0, 0], [0, 2], [0, 0, 1, 1], chunk_length=4) is not None  # replaced before it was used up
    assert timing_of([0, 1], [0, 4], [0, 0, 0, 0], chunk_length=4) is not None


def test_ages_in_whole_chunks():
    assert whole_chunk_ages(6, [0, 4]) == (0, 1, 2, 3, 0, 1)

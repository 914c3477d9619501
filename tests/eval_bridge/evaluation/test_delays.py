import json
from pathlib import Path

import numpy as np
import pytest

from eval_bridge.evaluation.delays import (
    FixedDelay,
    LatencyProfile,
    MeasuredDelay,
    read_delay,
    shipped_profiles,
    steps_of,
    write_profile,
)

RESULTS = Path(__file__).parents[3] / "results"

PROFILE = LatencyProfile("slow", "made up", (0.04, 0.06, 0.12, 0.34))


@pytest.mark.parametrize(
    ("milliseconds", "steps"), [(0, 0), (1, 1), (50, 1), (51, 2), (100, 2), (101, 3), (112, 3), (350, 7), (550, 11)]
)
def test_a_call_takes_the_steps_that_begin_before_it_is_there(milliseconds, steps):
    assert steps_of(milliseconds / 1000) == steps


def test_a_rounding_error_is_no_step():
    assert 3 * 0.05 * 20 > 3
    assert steps_of(3 * 0.05) == 3


def test_delays_are_those_of_the_episode_and_of_nothing_else():
    drawn = PROFILE.draw(7, 2, 3, calls=40)
    assert drawn == PROFILE.draw(7, 2, 3, calls=90)[:40]
    assert set(drawn) == {1, 2, 3, 7}
    others = [PROFILE.draw(8, 2, 3, 40), PROFILE.draw(7, 1, 3, 40), PROFILE.draw(7, 2, 4, 40)]
    assert all(drawn != other for other in others)
    assert FixedDelay(3).draw(7, 2, 3, calls=4) == (3, 3, 3, 3)


def test_of_two_profiles_a_call_gets_the_same_quantile():
    slower = LatencyProfile("slower", "made up", tuple(10 * each for each in PROFILE.seconds))
    rank = {steps_of(each): place for place, each in enumerate(PROFILE.seconds)}
    slower_rank = {steps_of(each): place for place, each in enumerate(slower.seconds)}
    drawn, slower_drawn = PROFILE.draw(7, 0, 0, 50), slower.draw(7, 0, 0, 50)
    assert [rank[each] for each in drawn] == [slower_rank[each] for each in slower_drawn]
    shuffled = LatencyProfile("slow", "made up", PROFILE.seconds[::-1])
    assert shuffled.draw(7, 0, 0, 50) == drawn
    assert shuffled.identity == PROFILE.identity != slower.identity


def test_what_a_configuration_names(tmp_path):
    assert read_delay("measured") == MeasuredDelay()
    assert read_delay("3") == FixedDelay(3)
    assert read_delay("openvla_oft_a100").draw(7, 0, 0, 2) == (3, 3)
    file = tmp_path / "profile.json"
    write_profile(file, PROFILE)
    assert read_delay(str(file)) == PROFILE


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("-1", "delay=-1 must be at least 0"),
        ("fast", "must be measured, a number of control steps, a profile that ships .*openvla_oft_a100.*, or a file"),
        ("1.5", "delay='1.5' must be measured"),
    ],
)
def test_what_names_no_delay_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        read_delay(text)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no json", "holds no latency profile"),
        ("[]", "holds no latency profile"),
        ('{"name": "a", "source": "b"}', "needs values for .*seconds"),
        ('{"name": "a", "source": "b", "seconds": []}', "give those of one call at least"),
        ('{"name": "a", "source": "b", "seconds": [0.1, -0.1]}', "finite and not negative"),
        ('{"name": "a", "source": "b", "seconds": ["fast"]}', "holds no latency profile"),
    ],
)
def test_a_file_that_holds_no_profile_is_refused(tmp_path, content, message):
    file = tmp_path / "profile.json"
    file.write_text(content)
    with pytest.raises(ValueError, match=message):
        read_delay(str(file))


def test_shipped_profiles_are_what_they_say():
    profiles = shipped_profiles()
    steps = {name: sorted({steps_of(each) for each in profile.seconds}) for name, profile in profiles.items()}
    assert steps == {
        "openvla_7b_pytorch_eager": [1, 2],
        "openvla_oft_a100": [3],
        "injected_cpu_times_4": [2, 3],
        "injected_cpu_times_8": [4, 5],
    }
    measured = json.loads(
        (RESULTS / "development_runs/decoding_cpu_amd_epyc_2_cores_without_cascades.json").read_text()
    )
    (row,) = (
        row
        for row in measured["rows"]
        if (row["decoder"], row["settings"], row["batch"]) == ("fixed_point", "unrolled_passes=2", 1)
    )
    chunk = row["stages_ms"]["chunk"]
    calls = [chunk["p50"]] * 5 + [chunk["p90"]] * 4 + [chunk["p99"]]
    for times in (4, 8):
        expected = [times * each / 1000 for each in calls]
        np.testing.assert_allclose(profiles[f"injected_cpu_times_{times}"].seconds, expected, atol=1e-6)

import numpy as np
import pytest

from eval_bridge.decoding_benchmark.observations import (
    Seen,
    calls_of_batch,
    first_requests,
    of_demonstrations,
    of_patchwork,
)
from rsd_jax.demos.frames import to_stored_size
from rsd_jax.demos.libero_hdf5 import read_demos
from rsd_jax.observation_needs import ObservationNeeds

NEEDS = ObservationNeeds(image_size=128, cameras=("wrist", "agentview"), state_size=8)


def numbered(count):
    return [Seen(number, is_first=number % 4 == 0) for number in range(count)]


def numbers(calls):
    return [[seen.observation for seen in call] for call in calls]


def test_rows_go_through_the_observations_from_places_of_their_own():
    assert numbers(calls_of_batch(numbered(6), 1)) == [[0], [1], [2], [3], [4], [5]]
    assert numbers(calls_of_batch(numbered(6), 3))[:3] == [[0, 2, 4], [1, 3, 5], [2, 4, 0]]
    assert len(calls_of_batch(numbered(64), 2)) == 32
    assert len(calls_of_batch(numbered(64), 32)) == 16


def test_calls_before_those_that_are_timed_lead_up_to_them():
    assert numbers(calls_of_batch(numbered(6), 1, before=2))[:4] == [[4], [5], [0], [1]]


def test_patchwork_is_as_cameras_render_and_every_row_an_episode():
    seen = of_patchwork(2, NEEDS)
    assert all(each.is_first for each in seen)
    assert [frame.shape for frame in seen[0].observation.frames] == [(256, 256, 3)] * 2
    assert (seen[0].observation.frames[0] != seen[1].observation.frames[0]).any()
    requests = first_requests(calls_of_batch(seen, 2))
    assert set(requests[0]) == {0, 1}
    assert requests[0][0].episode != requests[0][1].episode


def test_demonstrations_are_seen_as_a_policy_would_be_asked_about_them(preflight_run):
    (file,) = (preflight_run / "demos").rglob("*_demo.hdf5")
    first, second = read_demos(file)[:2]
    per_demo = -(-len(first) // 8)
    seen = of_demonstrations([str(preflight_run / "demos")], per_demo + 1, NEEDS, 8)
    assert [each.is_first for each in seen] == [True, *[False] * (per_demo - 1), True]
    wrist, agentview = seen[1].observation.frames
    np.testing.assert_array_equal(to_stored_size(wrist), first.wrist[8])
    np.testing.assert_array_equal(to_stored_size(agentview), first.agentview[8])
    np.testing.assert_array_equal(seen[1].observation.proprio, first.proprio[8])
    np.testing.assert_array_equal(seen[-1].observation.proprio, second.proprio[0])
    assert seen[0].observation.instruction == first.instruction


def test_a_folder_without_demonstrations_is_named(tmp_path):
    with pytest.raises(ValueError, match=f"demos has {tmp_path}, where there are no demonstrations"):
        of_demonstrations([str(tmp_path)], 4, NEEDS, 8)

import dataclasses

import numpy as np
import pytest

from eval_bridge.observations import Observation
from eval_bridge.policies.observation_needs import blank_observation, check_needs, select_observation
from rsd_jax.observation_needs import ObservationNeeds

STORED = ObservationNeeds(128, ("agentview", "wrist"), 8)
REVERSED = ObservationNeeds(128, ("wrist", "agentview"), 8)


@pytest.fixture(scope="module")
def observation():
    generator = np.random.default_rng(0)
    agentview, wrist = generator.integers(0, 256, (2, 256, 256, 3), np.uint8)
    return Observation(agentview, wrist, np.arange(8, dtype=np.float32), "open the drawer")


def test_frames_are_taken_as_they_were_rendered(observation):
    """The compiled call reduces them: one program for whoever asks, and none of the worker's time."""
    seen = select_observation(observation, STORED)
    assert seen.frames[0] is observation.agentview
    assert seen.frames[1] is observation.wrist
    np.testing.assert_array_equal(seen.proprio, observation.proprio)
    assert seen.instruction == "open the drawer"


def test_cameras_come_in_the_order_asked_and_the_state_only_where_asked(observation):
    assert [frame is observation.wrist for frame in select_observation(observation, REVERSED).frames] == [True, False]
    seen = select_observation(observation, ObservationNeeds(256, ("wrist",), 0))
    np.testing.assert_array_equal(seen.frames, observation.wrist[None])
    assert seen.proprio.shape == (0,)


@pytest.mark.parametrize("needs", [STORED, ObservationNeeds(224, ("wrist",), 0)])
def test_a_blank_observation_has_the_shapes_of_a_real_one(observation, needs):
    real, blank = select_observation(observation, needs), blank_observation(needs, "go")
    assert [frame.shape for frame in blank.frames] == [frame.shape for frame in real.frames]
    assert (blank.frames[0].dtype, blank.proprio.dtype) == (real.frames[0].dtype, real.proprio.dtype)
    assert blank.proprio.shape == real.proprio.shape


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cameras": ("agentview", "side")}, r"cameras=.* must name at least one of agentview, wrist"),
        ({"cameras": ()}, "cameras"),
        ({"image_size": 257}, "image_size=257 must be from 1 to 256"),
        ({"state_size": 7}, "state_size=7 must be 8, or 0"),
    ],
)
def test_needs_that_no_observation_meets_are_refused(change, message):
    assert check_needs(STORED) == STORED
    with pytest.raises(ValueError, match=message):
        check_needs(dataclasses.replace(STORED, **change))


def test_a_state_that_is_not_finite_is_refused_where_it_is_taken(observation):
    proprio = observation.proprio.copy()
    proprio[5] = np.nan
    with pytest.raises(ValueError, match=r"proprio\[5\] = nan; every number must be finite"):
        select_observation(observation._replace(proprio=proprio), STORED)
    blind = select_observation(observation._replace(proprio=proprio), ObservationNeeds(256, ("wrist",), 0))
    assert blind.proprio.shape == (0,)

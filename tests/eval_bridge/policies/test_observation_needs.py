import dataclasses

import numpy as np
import pytest
from PIL import Image

from eval_bridge.observations import Observation
from eval_bridge.policies.observation_needs import blank_observation, check_needs, reduce_observation
from rsd_jax.demos.frames import to_stored_size
from rsd_jax.observation_needs import ObservationNeeds

STORED = ObservationNeeds(128, ("agentview", "wrist"), 8)


@pytest.fixture(scope="module")
def observation():
    generator = np.random.default_rng(0)
    agentview, wrist = generator.integers(0, 256, (2, 256, 256, 3), np.uint8)
    return Observation(agentview, wrist, np.arange(8, dtype=np.float32), "open the drawer")


def test_frames_of_the_stored_size_are_those_that_demonstrations_hold(observation):
    seen = reduce_observation(observation, STORED)
    np.testing.assert_array_equal(seen.frames[0], to_stored_size(observation.agentview))
    np.testing.assert_array_equal(seen.frames[1], to_stored_size(observation.wrist))
    np.testing.assert_array_equal(seen.proprio, observation.proprio)
    assert seen.instruction == "open the drawer"


def test_cameras_come_in_the_order_asked_and_the_state_only_where_asked(observation):
    seen = reduce_observation(observation, ObservationNeeds(256, ("wrist",), 0))
    np.testing.assert_array_equal(seen.frames, observation.wrist[None])
    assert seen.proprio.shape == (0,)


def test_other_sizes_are_resampled(observation):
    seen = reduce_observation(observation, dataclasses.replace(STORED, image_size=224))
    expected = np.asarray(Image.fromarray(observation.agentview).resize((224, 224), Image.Resampling.LANCZOS))
    np.testing.assert_array_equal(seen.frames[0], expected)


@pytest.mark.parametrize("needs", [STORED, ObservationNeeds(224, ("wrist",), 0)])
def test_a_blank_observation_has_the_shapes_of_a_real_one(observation, needs):
    real, blank = reduce_observation(observation, needs), blank_observation(needs, "go")
    assert (blank.frames.shape, blank.proprio.shape) == (real.frames.shape, real.proprio.shape)
    assert (blank.frames.dtype, blank.proprio.dtype) == (real.frames.dtype, real.proprio.dtype)


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
        reduce_observation(observation._replace(proprio=proprio), STORED)
    blind = reduce_observation(observation._replace(proprio=proprio), ObservationNeeds(256, ("wrist",), 0))
    assert blind.proprio.shape == (0,)

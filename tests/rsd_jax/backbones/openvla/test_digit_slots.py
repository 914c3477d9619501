"""Two steps of a code with two dimensions, the first of two latents; three layers."""

import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.backbones.openvla.digit_slots import DigitCode, DigitSlots
from tests.rsd_jax.random_params import random_params

CODE = DigitCode(chunk_length=2, num_layers=3, num_levels=4, dimension_of_latent=(0, 0, 1))


def test_latents_of_a_dimension_share_a_slot():
    assert (CODE.latent_dim, CODE.action_dim, CODE.slots) == (3, 2, 4)
    np.testing.assert_array_equal(CODE.column_sets, [[0, 0, 1], [2, 2, 3]])
    np.testing.assert_array_equal(DigitCode(2, 3, 4, (0, 0, 1), is_mode_locked=True).column_sets, np.zeros((2, 3)))
    assert DigitCode().slots == 56


def test_slots_stand_layer_by_layer_from_each_columns_position_on():
    np.testing.assert_array_equal(CODE.layers_of_slots(1, 2, batch_size=1), [[1, 1, 1, 1, 2, 2, 2, 2]])
    position = jnp.array([[[0, 0, 2], [1, 1, 0]]])
    np.testing.assert_array_equal(CODE.layers_of_slots(position, 2, 1), [[0, 2, 1, 0, 1, 3, 2, 1]])


@pytest.mark.parametrize("is_mode_locked", [False, True])
def test_a_slot_sees_the_context_and_slots_up_to_its_own_layer(is_mode_locked):
    code = DigitCode(2, 3, 4, (0, 0, 1), is_mode_locked)
    layers = code.layers_of_slots(1, 1, 1)
    is_seen = np.asarray(code.is_seen(layers, jnp.array([2]), context=3)).astype(int)
    np.testing.assert_array_equal(is_seen[0, :, :3], [[1, 1, 0]] * 4)  # the last place is padding
    own = np.ones((4, 4), int) if is_mode_locked else np.eye(4, dtype=int)
    np.testing.assert_array_equal(is_seen[0, :, 3:7], own)
    np.testing.assert_array_equal(is_seen[0, :, 7:11], own)
    assert not is_seen[0, :, 11:].any()


def test_slots_enter_as_the_sum_of_their_digits_one_layer_before():
    slots = DigitSlots(CODE, width=5)
    tokens = jnp.array([[[[0, 1, 2], [3, 2, 1], [1, 1, 0]], [[2, 0, 3], [0, 0, 0], [3, 3, 3]]]])
    layers = CODE.layers_of_slots(0, 2, 1)
    params = random_params(lambda key: slots.init(key, tokens, layers, method="enter"), 0)
    entered = np.asarray(slots.apply(params, tokens, layers, method="enter")).reshape(2, 2, 2, 5)  # layer, step, A
    digits, of_layer = params["params"]["digit_embedding"], params["params"]["layer_embedding"]
    np.testing.assert_allclose(entered[0], np.broadcast_to(of_layer[0], (2, 2, 5)))
    np.testing.assert_allclose(entered[1, 0, 0], digits[0, 0, 0] + digits[0, 1, 3] + of_layer[1], rtol=1e-6)
    np.testing.assert_allclose(entered[1, 0, 1], digits[0, 2, 1] + of_layer[1], rtol=1e-6)
    np.testing.assert_allclose(entered[1, 1, 0], digits[0, 0, 2] + digits[0, 1, 0] + of_layer[1], rtol=1e-6)


def test_codes_that_cannot_be_are_refused():
    with pytest.raises(
        ValueError, match=r"dimension_of_latent is \(0, 2\); each action dimension from 0 on must occur"
    ):
        DigitCode(dimension_of_latent=(0, 2))
    with pytest.raises(ValueError, match="num_layers is 1; it must be at least 2"):
        DigitCode(num_layers=1)

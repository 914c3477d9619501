import jax.numpy as jnp
import numpy as np

from rsd_jax.backbones.openvla.action_bins import actions_of_tokens, tokens_of_actions

VOCABULARY = 32064


def test_ends_and_middle_of_the_range():
    """-1 is the last token of Llama's own vocabulary; the two tokens of the upper end mean the same."""
    tokens = tokens_of_actions(jnp.array([-1.0, -5.0, 0.0, 0.9999, 1.0, 5.0]), VOCABULARY)
    np.testing.assert_array_equal(tokens, [31999, 31999, 31872, 31745, 31744, 31744])
    np.testing.assert_allclose(
        actions_of_tokens(tokens[:4], VOCABULARY), [-0.996078, -0.996078, 0, 0.996078], atol=1e-6
    )
    assert actions_of_tokens(jnp.array([31744]), VOCABULARY) == actions_of_tokens(jnp.array([31745]), VOCABULARY)


def test_an_action_comes_back_within_half_a_bin():
    actions = jnp.linspace(-1, 1, 1001)
    back = actions_of_tokens(tokens_of_actions(actions, VOCABULARY), VOCABULARY)
    assert np.abs(np.asarray(back - actions)).max() <= 1 / 255 + 1e-6


def test_a_token_of_no_action_counts_as_the_nearest():
    np.testing.assert_allclose(actions_of_tokens(jnp.array([0, 32063]), VOCABULARY), [0.996078, -0.996078], atol=1e-6)

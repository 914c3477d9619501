import jax.numpy as jnp
import numpy as np

from rsd_jax.backbones.openvla.rotary_positions import rotate, rotation


def test_a_feature_turns_with_the_one_half_a_head_away():
    turns = rotation(jnp.array([[1]]), features=4, base=100.0)
    turned = rotate(jnp.array([[[[1.0, 0.0, 0.0, 0.0]]]]), turns)[0, 0, 0]
    np.testing.assert_allclose(turned, [np.cos(1), 0, np.sin(1), 0], atol=1e-6)  # pair 0 turns by 1 a place
    turned = rotate(jnp.array([[[[0.0, 1.0, 0.0, 0.0]]]]), turns)[0, 0, 0]
    np.testing.assert_allclose(turned, [0, np.cos(0.1), 0, np.sin(0.1)], atol=1e-6)  # pair 1 by 100 ** -0.5


def test_what_two_tokens_see_of_each_other_depends_on_their_distance_alone():
    generator = np.random.default_rng(0)
    query, key = (jnp.asarray(generator.normal(size=(1, 1, 1, 8)), jnp.float32) for _ in range(2))

    def score(at, other):
        turned = (
            rotate(each, rotation(jnp.array([[place]]), 8, 10000.0)) for each, place in ((query, at), (key, other))
        )
        return float(jnp.sum(next(turned) * next(turned)))

    np.testing.assert_allclose(score(7, 3), score(504, 500), rtol=1e-4)
    assert abs(score(7, 3) - score(8, 3)) > 1e-3

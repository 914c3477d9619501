"""The greedy choice is argmax, of ties the lowest."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.most_likely import most_likely


@pytest.mark.parametrize("levels", [7, 256])
def test_the_most_likely_level_is_the_first_of_the_largest(levels):
    logits = jax.random.randint(jax.random.key(0), (4, 50, levels), -2, 3).astype(jnp.float32)
    assert (np.sort(np.asarray(logits), axis=-1)[..., -1] == np.sort(np.asarray(logits), axis=-1)[..., -2]).any()
    found = most_likely(logits)
    assert found.dtype == jnp.int32
    np.testing.assert_array_equal(found, np.argmax(logits, axis=-1))


def test_of_one_level_it_is_the_only_one():
    assert most_likely(jnp.full((3, 1), -jnp.inf)).tolist() == [0, 0, 0]

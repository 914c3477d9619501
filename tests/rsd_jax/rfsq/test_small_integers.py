import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.rfsq.small_integers import _stack_words, stack_small


@pytest.mark.parametrize("count", [1, 3, 4, 6, 8, 9])
def test_it_is_a_stack_on_any_device(count: int) -> None:
    values = [jnp.asarray(np.random.default_rng(k).integers(0, 128, (2, 3)), jnp.int32) for k in range(count)]
    for stacked in (stack_small(values), jax.jit(stack_small)(values), _stack_words(*values)):
        assert stacked.dtype == jnp.int32
        np.testing.assert_array_equal(stacked, np.stack(values, axis=-1))

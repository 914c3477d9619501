"""State in bfloat16."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from rsd_jax.training.configuration import TrainingConfig
from rsd_jax.training.rounded_state import round_like, scale_by_adam_kept_in, stochastically_rounded
from rsd_jax.training.train_step import make_optimizer


def test_rounding_keeps_what_bfloat16_holds_and_the_mean_of_the_rest():
    """1 + 1 / 512 lies a quarter of the way from 1 to the next number, 1 + 1 / 128."""
    values = jnp.full((100, 1000), 1 + 1 / 512)
    rounded = stochastically_rounded(jnp.uint32(7), values)
    assert rounded.dtype == jnp.bfloat16
    assert set(np.unique(rounded.astype(np.float32))) == {1.0, 1 + 1 / 128}
    assert abs(float((rounded > 1).mean()) - 0.25) < 0.01
    exact = jnp.array([0.0, -1.5, 3e38, -jnp.inf])
    np.testing.assert_array_equal(stochastically_rounded(jnp.uint32(7), exact.astype(jnp.bfloat16).astype("float32")),
                                  exact.astype(jnp.bfloat16))  # fmt: skip


def test_leaves_and_keys_are_rounded_each_in_its_own_way():
    values = {"a": jnp.full(1000, 1.001), "b": jnp.full(1000, 1.001), "count": jnp.int32(3)}
    like = {"a": jnp.zeros(1000, "bfloat16"), "b": jnp.zeros(1000, "bfloat16"), "count": jnp.int32(0)}
    first, second = (round_like(jax.random.key(number), values, like) for number in (0, 1))
    assert (first["a"] != first["b"]).any()
    assert (first["a"] != second["a"]).any()
    assert first["count"] == 3


def test_moments_in_float32_are_those_of_adam_whatever_the_parameters_are():
    gradients, params = jnp.array([0.5, -2.0]), jnp.zeros(2, jnp.bfloat16)
    kept, adam = scale_by_adam_kept_in("float32"), optax.scale_by_adam()
    updates, state = kept.update(gradients, kept.init(params))
    expected, _ = adam.update(gradients, adam.init(jnp.zeros(2)))
    assert state.adam.nu.dtype == jnp.float32
    np.testing.assert_array_equal(updates, expected)


def test_a_second_moment_in_bfloat16_follows_the_gradients_size():
    """Rounded to the nearest number it would never leave the first ones: a step changes it by a thousandth."""
    kept = scale_by_adam_kept_in("bfloat16")
    update = jax.jit(kept.update)
    state = kept.init(jnp.zeros(256))
    for size, steps in ((4.0, 200), (1.0, 800)):
        for _ in range(steps):
            _, state = update(jnp.full(256, size), state)
    expected = 16 * (1 - 0.999**200) * 0.999**800 + (1 - 0.999**800)
    assert abs(float(state.adam.nu.astype("float32").mean()) / expected - 1) < 0.02


def test_the_optimizer_keeps_its_moments_as_it_is_told():
    config = TrainingConfig(steps=10, batch_size=1, learning_rate=0.5)
    for dtype in ("float32", "bfloat16"):
        state = make_optimizer(config, dtype).init({"w": jnp.zeros((2, 2), jnp.bfloat16)})
        floats = {leaf.dtype.name for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.floating)}
        assert floats == {dtype}

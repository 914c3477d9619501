from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.backbones.attention import attend, attend_to_first, attend_where, fastest_kernel, has_fused_kernel


def test_a_token_that_matches_one_key_takes_its_value():
    query = jnp.zeros((1, 1, 1, 4)).at[0, 0, 0, 2].set(1000.0)
    key, value = jnp.eye(4)[None, :, None], jnp.arange(16.0).reshape(1, 4, 1, 4)
    np.testing.assert_allclose(attend(query, key, value)[0, 0, 0], [8, 9, 10, 11])


def test_equal_keys_average_the_values_in_both_types():
    generator = np.random.default_rng(0)
    value = generator.normal(size=(2, 5, 3, 4)).astype(np.float32)
    for dtype, tolerance in (("float32", 1e-6), ("bfloat16", 2e-2)):
        found = attend(*(jnp.asarray(array, dtype) for array in (np.ones((2, 6, 3, 4)), np.ones((2, 5, 3, 4)), value)))
        assert found.dtype == jnp.dtype(dtype)
        np.testing.assert_allclose(found[:, 0].astype(jnp.float32), value.mean(axis=1), atol=tolerance)


@pytest.mark.parametrize(
    ("platform", "kind", "capability", "expected"),
    [
        ("gpu", "NVIDIA H100 80GB HBM3", "9.0", True),
        ("gpu", "NVIDIA A100", "8.0", True),
        ("gpu", "Tesla V100-SXM2 NVIDIA", "7.0", False),
        ("gpu", "AMD Instinct MI300X", "gfx942", False),
        ("tpu", "TPU v5e", None, False),
    ],
)
def test_the_fused_kernel_is_for_cards_that_have_it(platform, kind, capability, expected):
    device = SimpleNamespace(platform=platform, device_kind=kind, compute_capability=capability)
    assert has_fused_kernel(device) is expected


def test_this_machine_is_asked_without_an_error():
    assert has_fused_kernel(jax.devices()[0]) in (True, False)


def test_only_the_first_keys_of_a_row_are_seen_and_causally_none_behind():
    value = jnp.arange(8.0).reshape(2, 4, 1, 1)
    query = key = jnp.ones((2, 4, 1, 1))
    seen = attend_to_first(query, key, value, lengths=jnp.array([2, 4]))
    np.testing.assert_allclose(seen[..., 0, 0], [[0.5] * 4, [5.5] * 4])
    seen = attend_to_first(query, key, value, is_causal=True)
    np.testing.assert_allclose(seen[..., 0, 0], [[0, 0.5, 1, 1.5], [4, 4.5, 5, 5.5]])
    np.testing.assert_allclose(attend_to_first(query, key, value), attend(query, key, value))


def test_each_query_sees_the_keys_that_it_is_told_to():
    value = jnp.arange(4.0).reshape(1, 4, 1, 1)
    is_seen = jnp.array([[[1, 1, 0, 0], [0, 0, 0, 1], [1, 0, 1, 0]]], bool)
    seen = attend_where(jnp.ones((1, 3, 1, 1)), jnp.ones((1, 4, 1, 1)), value, is_seen)
    np.testing.assert_allclose(seen[0, :, 0, 0], [0.5, 3, 1])


def test_heads_of_odd_sizes_are_left_to_xla(monkeypatch):
    monkeypatch.setattr("rsd_jax.backbones.attention.has_fused_kernel", lambda device: True)
    kernels = [fastest_kernel(jnp.ones((1, 1, 1, size), jnp.bfloat16)) for size in (12, 72)]
    assert kernels == ["xla", "cudnn"]
    assert fastest_kernel(jnp.ones((1, 1, 1, 72))) == "xla"

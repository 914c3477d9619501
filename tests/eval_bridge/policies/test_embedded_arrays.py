import jax
import jax.numpy as jnp
import numpy as np

from eval_bridge.policies.embedded_arrays import LARGEST_EMBEDDED, EmbeddedArrays

TREE = {
    "kernel": jnp.arange(LARGEST_EMBEDDED + 1.0),
    "bias": jnp.array([[0.5, -0.0], [jnp.nan, 3.0]]),
    "scale": jnp.float32(7.0),
    "nothing": jnp.zeros((0, 3)),
    "none": None,
    "levels": (jnp.array([3, -4], jnp.int32), jnp.full(LARGEST_EMBEDDED, 5, jnp.int32)),
    "mask": jnp.array([True, False, True]),
}


def test_a_program_gets_the_tree_to_the_last_bit_of_the_large_arrays_alone():
    arrays = EmbeddedArrays(TREE)
    assert [argument is TREE["kernel"] for argument in arrays.arguments] == [True]
    found = jax.jit(arrays.unpack)(arrays.arguments)
    assert jax.tree.structure(found) == jax.tree.structure(TREE)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(TREE), strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


def test_what_is_computed_of_small_arrays_alone_is_computed_while_the_program_is_compiled():
    arrays = EmbeddedArrays({"table": jnp.arange(1.0, 9.0)})

    def program(given, inputs):
        return inputs * jnp.cumsum(jnp.log(arrays.unpack(given)["table"]))[-1]

    compiled = jax.jit(program).lower(arrays.arguments, jnp.ones(3)).compile()
    assert "log(" not in compiled.as_text()
    np.testing.assert_allclose(compiled(arrays.arguments, jnp.ones(3)), np.log(np.arange(1.0, 9.0)).sum(), rtol=1e-6)

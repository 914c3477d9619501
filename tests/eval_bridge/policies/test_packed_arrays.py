import jax
import jax.numpy as jnp
import numpy as np

from eval_bridge.policies.packed_arrays import LARGEST_PACKED, PackedArrays

TREE = {
    "kernel": jnp.arange(LARGEST_PACKED + 1.0),
    "bias": jnp.array([[0.5, -0.0], [jnp.nan, 3.0]]),
    "scale": jnp.float32(7.0),
    "nothing": jnp.zeros((0, 3)),
    "none": None,
    "levels": (jnp.array([3, -4], jnp.int32), jnp.full(LARGEST_PACKED, 5, jnp.int32)),
    "mask": jnp.array([True, False, True]),
}


def test_a_program_gets_the_tree_to_the_last_bit_of_few_arguments():
    packed = PackedArrays(TREE)
    assert len(packed.arguments) == 4  # small numbers of three types, and the kernel
    assert any(argument is TREE["kernel"] for argument in packed.arguments)
    found = jax.jit(packed.unpack)(packed.arguments)
    assert jax.tree.structure(found) == jax.tree.structure(TREE)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(TREE), strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


def test_the_arrays_are_those_that_are_handed_in():
    """Nothing is captured: other arguments of the same shapes are other arrays."""
    packed = PackedArrays(TREE)
    found = packed.unpack([jnp.zeros_like(argument) for argument in packed.arguments])
    assert not any(np.asarray(leaf).any() for leaf in jax.tree.leaves(found))

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eval_bridge.policies.byte_layout import ByteLayout


class Row(NamedTuple):
    asked: np.ndarray
    image: np.ndarray
    state: dict[str, np.ndarray]
    nothing: np.ndarray


def row(seed: int) -> Row:
    """Every type that states have, with odd floats; the widest type comes neither first nor last."""
    generator = np.random.default_rng(seed)
    odd = np.array([[np.nan, -0.0, np.inf], [1e-45, -1.5, seed]], np.float32)
    return Row(
        np.asarray(seed % 2 == 0),
        generator.integers(0, 256, (3, 5), np.uint8),
        {
            "count": np.asarray(-seed - 1, np.int32),
            "float": odd,
            "half": odd[0].astype(np.float16),
            "mask": np.array([True, False]),
            "small": np.array([-128, 127], np.int8),
            "words": np.array([2**32 - 1, seed], np.uint32),
        },
        np.zeros((0, 4), np.float32),
    )


def assert_same_bytes(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        one, other = np.asarray(one), np.asarray(other)
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert one.tobytes() == other.tobytes()


def test_rows_cross_to_a_program_and_back_to_the_last_bit():
    examples = [row(seed) for seed in range(3)]
    batch = jax.tree.map(lambda *arrays: np.stack(arrays), *examples)
    layout = ByteLayout(examples[0])
    rows = [np.zeros(layout.size, np.uint8) for _ in examples]
    for written, example in zip(rows, examples, strict=True):
        jax.tree.map(np.copyto, layout.views(written), example)
    there = jax.jit(layout.unpack)(np.stack(rows))
    assert_same_bytes(there, batch)
    back = np.asarray(jax.jit(layout.pack)(there))
    assert back.tobytes() == np.stack(rows).tobytes()
    for found, example in zip(back, examples, strict=True):
        assert_same_bytes(layout.views(found), example)
    held = sum(leaf.nbytes for leaf in jax.tree.leaves(examples[0]))
    assert held <= ByteLayout.of_batch(there).size == layout.size < held + 4


def test_what_is_no_number_is_refused():
    with pytest.raises(ValueError, match=r"type key<fry> cannot lie in a row of bytes: .* \(jax.random.key_data\)"):
        ByteLayout({"key": jax.random.key(0), "count": jnp.int32(0)})

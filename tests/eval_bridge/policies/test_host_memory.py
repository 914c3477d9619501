"""Rows of the host's memory, in both kinds; pinned memory is an array of JAX, which a CPU has too."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eval_bridge.policies.byte_layout import ByteLayout
from eval_bridge.policies.host_memory import copies_of, host_row, on_device, on_host


@pytest.mark.parametrize("pinned", [False, True])
def test_a_row_of_the_host_is_read_in_place(pinned):
    """Its arrays lie where their types may, and it begins where XLA takes it without a copy."""
    layout = ByteLayout({"flag": np.zeros((), bool), "words": np.zeros(3, np.uint32), "pixels": np.zeros(5, np.uint8)})
    for row in [host_row(layout.size, pinned) for _ in range(8)]:
        assert row.memory.ctypes.data % 64 == 0
        assert not row.memory.any()
        assert all(view.flags.aligned for view in jax.tree.leaves(layout.views(row.memory)))


@pytest.mark.parametrize("pinned", [False, True])
def test_a_call_sees_what_was_written_last(pinned):
    """Through the argument that was made before, by the same program."""

    @jax.jit
    def doubled(row):
        (seen,) = on_device([row])
        return on_host([2 * seen]) if pinned else [2 * seen]

    row = host_row(1000, pinned)
    for value in (3, 100):
        row.memory[:] = value + np.arange(1000) % 7
        (found,) = doubled(row.argument)
        (copy,) = copies_of([found])
        np.testing.assert_array_equal(copy, 2 * row.memory)
        assert found.sharding.memory_kind == ("pinned_host" if pinned else jnp.zeros(1).sharding.memory_kind)

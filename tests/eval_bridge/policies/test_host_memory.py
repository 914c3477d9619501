"""Rows of the host's memory, in both kinds; pinned memory is an array of JAX, which a CPU has too."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eval_bridge.policies.byte_layout import ByteLayout
from eval_bridge.policies.host_memory import copy_of, host_rows, on_device, on_host


@pytest.mark.parametrize("pinned", [False, True])
def test_rows_of_the_host_are_read_in_place(pinned):
    """The arrays of each lie where their types may, and the first row begins where XLA takes it without a copy."""
    layout = ByteLayout({"flag": np.zeros((), bool), "words": np.zeros(3, np.uint32), "pixels": np.zeros(5, np.uint8)})
    for rows in [host_rows(3, layout.size, pinned) for _ in range(8)]:
        assert rows.memory.ctypes.data % 64 == 0
        assert rows.memory.shape == (3, layout.size)
        assert not rows.memory.any()
        assert all(view.flags.aligned for row in rows.memory for view in jax.tree.leaves(layout.views(row)))


@pytest.mark.parametrize("pinned", [False, True])
def test_a_call_sees_what_was_written_last(pinned):
    """Through the argument that was made before, by the same program."""

    @jax.jit
    def doubled(rows):
        seen = on_device(rows)
        return on_host(2 * seen) if pinned else 2 * seen

    rows = host_rows(2, 1000, pinned)
    for value in (3, 100):
        rows.memory[:] = value + np.arange(2000).reshape(2, 1000) % 7
        found = doubled(rows.argument)
        np.testing.assert_array_equal(copy_of(found), 2 * rows.memory)
        assert found.sharding.memory_kind == ("pinned_host" if pinned else jnp.zeros(1).sharding.memory_kind)

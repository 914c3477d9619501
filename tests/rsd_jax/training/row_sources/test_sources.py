"""In one process with one device; several of both are in test_processes.py and test_sharded_policy.py."""

import threading

import jax
import numpy as np
import pytest

from rsd_jax.distributed.mesh import MeshConfig, make_mesh
from rsd_jax.training.row_sources import Dispatch, ResidentRows, RowOrder, StreamedRows, resident
from tests.rsd_jax.training.row_sources.all_sources import (
    DISPATCHES,
    PLACES,
    bits_of,
    expected_batches,
    make_rows,
    make_source,
    read_batches,
)


@pytest.fixture(scope="module")
def mesh():
    return make_mesh(MeshConfig())


@pytest.mark.parametrize("place", PLACES)
def test_every_source_gives_the_rows_that_the_order_names(place, mesh, tmp_path):
    assert bits_of(read_batches(make_source(place, mesh, tmp_path), mesh)) == bits_of(expected_batches())


@pytest.mark.parametrize("num_threads", [1, 2, 16])
def test_threads_keep_the_order(num_threads, mesh, tmp_path):
    source = make_source("host", mesh, tmp_path, num_threads)
    assert bits_of(read_batches(source, mesh)) == bits_of(expected_batches())


def test_memory_is_used_again_behind_an_accelerator_and_never_on_a_cpu(mesh, monkeypatch, tmp_path):
    place, given = jax.make_array_from_process_local_data, []

    def copy_as_accelerators_do(sharding, values, shape):
        given.append(values)
        return place(sharding, values.copy(), shape)

    monkeypatch.setattr(jax, "make_array_from_process_local_data", copy_as_accelerators_do)
    for reuses, most in ((True, 16), (False, 100)):
        source = make_source("host", mesh, tmp_path, num_threads=1)
        assert not source._reuses_memory
        source._reuses_memory = reuses
        given.clear()
        fed = [np.asarray(batch["words"]) for batch in source.feed([Dispatch(step, 1) for step in range(100)])]
        order = RowOrder(10, 4, 3)
        for step, words in enumerate(fed):
            np.testing.assert_array_equal(words, make_rows()["words"][order.indices(Dispatch(step, 1))])
        assert len({id(values) for values in given if values.dtype == np.int32}) <= most
        assert reuses or len({id(values) for values in given if values.dtype == np.int32}) == 100


def test_rows_of_any_layout_are_gathered(mesh):
    rows = {"columns": np.asfortranarray(make_rows()["reals"]), "every_other": make_rows()["words"][:, ::2]}
    source = StreamedRows(rows, RowOrder(10, 4, 0), mesh, 1)
    (batch,) = source.feed([Dispatch(0, 1)])
    for name, array in rows.items():
        np.testing.assert_array_equal(batch[name], array[RowOrder(10, 4, 0).indices(Dispatch(0, 1))])


def test_a_feed_that_is_closed_early_leaves_no_thread(mesh, tmp_path):
    before = threading.active_count()
    feed = make_source("host", mesh, tmp_path).feed([Dispatch(step, 1) for step in range(1000)])
    next(feed)
    assert threading.active_count() > before
    feed.close()
    for thread in threading.enumerate():
        if thread.name.startswith("grain-prefetch"):
            thread.join(timeout=10)
    assert threading.active_count() <= before


def test_an_error_while_gathering_reaches_the_loop(mesh, monkeypatch, tmp_path):
    def fail(order, dispatch):
        raise OSError("no such disk")

    monkeypatch.setattr(RowOrder, "indices", fail)
    with pytest.raises(OSError, match="no such disk"):
        list(make_source("host", mesh, tmp_path).feed(DISPATCHES))


def test_tables_are_placed_piece_by_piece(mesh, monkeypatch):
    monkeypatch.setattr(resident, "PIECE_BYTES", 3 * 4)
    table = np.arange(10, dtype=np.int32)
    placed = ResidentRows({"table": table}, RowOrder(10, 4, 0), mesh, is_split=False).resident["table"]
    np.testing.assert_array_equal(placed, table)


@pytest.mark.parametrize("is_split", [False, True])
def test_a_step_that_reads_resident_rows_makes_no_copy_of_them(is_split, mesh):
    rows = {"images": np.zeros((4096, 64, 64), np.uint8), "mask": np.zeros((4096, 64), bool)}
    source = ResidentRows(rows, RowOrder(4096, 4, 0), mesh, is_split)

    def steps(total, tables, indices):
        def step(total, one):
            return total + source.read(tables, one)["images"].astype("float32").sum(), None

        return jax.lax.scan(step, total, indices)[0]

    (indices,) = source.feed([Dispatch(0, 5)])
    memory = jax.jit(steps, donate_argnums=0).lower(0.0, source.resident, indices).compile().memory_analysis()
    table_bytes, batch_bytes = 4096 * 64 * 65, 4 * 64 * 65
    assert memory.argument_size_in_bytes >= table_bytes
    assert memory.temp_size_in_bytes < 40 * batch_bytes < table_bytes / 20

"""Grain's threads between the order of the rows and the compiled step."""

import os
from collections.abc import Callable, Generator, Sequence

import grain

from rsd_jax.array_types import PyTree
from rsd_jax.training.row_sources.interface import Dispatch

DISPATCHES_AHEAD = 2
"""Dispatches that wait on the device while one runs: the copy of the next overlaps with the computation."""

BUFFERED_BYTES = 2**30
"""Bound on what one process gathers ahead in its memory; two dispatches are always gathered."""


def prefetch(
    dispatches: Sequence[Dispatch],
    gather: Callable[[Dispatch], PyTree],
    place: Callable[[PyTree], PyTree],
    num_threads: int,
    dispatch_bytes: int,
) -> Generator[PyTree, None, None]:
    """Yields ``place(gather(dispatch))`` for each dispatch, in order, made ahead.

    Args:
        dispatches: what is asked for, known before.
        gather: makes host arrays; runs in `num_threads` threads at once, so it should leave the interpreter's lock.
        place: brings them onto the devices; runs in one thread of its own.
        num_threads: threads that gather; never more than the machine has cores.
        dispatch_bytes: bytes of the largest result of `gather`.
    """
    buffered = max(2, min(2 * num_threads, BUFFERED_BYTES // max(dispatch_bytes, 1)))
    options = grain.ReadOptions(
        num_threads=min(num_threads, buffered, os.cpu_count() or 1), prefetch_buffer_size=buffered
    )
    dataset = grain.MapDataset.source(dispatches).map(gather).to_iter_dataset(options).map(place)
    iterator = iter(grain.experimental.ThreadPrefetchIterDataset(dataset, prefetch_buffer_size=DISPATCHES_AHEAD))
    try:
        yield from iterator
    finally:
        iterator.close()

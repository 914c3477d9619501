"""Saves that training does not wait for: of a copy on the devices, by one thread, one after the other."""

import logging
import time
from collections import deque
from types import TracebackType
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rsd_jax.array_types import PyTree
from rsd_jax.checkpoints import CheckpointError, CheckpointMetadata, StageCheckpoints
from rsd_jax.checkpoints.saving import Saving
from rsd_jax.checkpoints.stage_checkpoints import Which
from rsd_jax.distributed import hosts
from rsd_jax.distributed.device import free_bytes

logger = logging.getLogger(__name__)


class _Waiting(NamedTuple):
    """A save that has not begun; `trees` are a copy."""

    which: Which
    trees: dict[str, PyTree]
    metadata: CheckpointMetadata


class BackgroundSaves:
    """The saves of one training, in the order in which they are asked for. A context, left before its folder is.

    Memory is bounded: at most one of each kind is on its way, and the next of that kind waits for it. Every process of
    the run calls every method alike. What fails in the background is raised by the next call, in all processes.

    Attributes:
        longest_stop: seconds that a save has kept the caller from the next step, at most.
    """

    def __init__(self, checkpoints: StageCheckpoints) -> None:
        """Nothing is written before the first save."""
        self._checkpoints = checkpoints
        self._waiting: deque[_Waiting] = deque()
        self._current: tuple[Which, Saving] | None = None
        self.longest_stop = 0.0

    def __enter__(self) -> "BackgroundSaves":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leaves nobody writing: after an error a single process ends what it has begun, several abandon it."""
        if error is None:
            return
        if jax.process_count() > 1:  # which may not have come to the same point
            if self._current is not None:
                self._current[1].abandon(error)
            return
        try:
            self.finish()
        except CheckpointError as failure:
            logger.warning("%s", failure)

    def prepare(self, *saved: dict[str, PyTree]) -> None:
        """Compiles what copies trees like `saved`, so that not even the first save waits for that."""
        for trees in saved:
            if hosts.everywhere(_have_room_for_a_copy(trees)):
                _copy(trees)

    def add(self, which: Which, trees: dict[str, PyTree], metadata: CheckpointMetadata) -> None:
        """Saves `trees` as they are now; they may be donated right after.

        Raises:
            CheckpointWriteError: an earlier save failed.
        """
        begin = time.monotonic()
        while self._is_on_its_way(which):
            self._advance(wait=True)
        if hosts.everywhere(_have_room_for_a_copy(trees)):
            # Begun by the next call: what writes would keep the caller from Python, who has more copies to take.
            self._waiting.append(_Waiting(which, _copy(trees), metadata))
        else:
            logger.info("no room for a copy of the state on the devices: the steps wait until it is saved")
            self.finish()
            self._checkpoints.save(which, trees, metadata)
        self.longest_stop = max(self.longest_stop, time.monotonic() - begin)

    def advance(self) -> None:
        """Begins the next save if the last is done; waits for none.

        Raises:
            CheckpointWriteError: a save failed; those that wait are given up.
        """
        self._advance(wait=False)

    def finish(self) -> None:
        """Waits until everything is on the disk; raises as `advance`."""
        while self._current is not None or self._waiting:
            self._advance(wait=True)

    def _advance(self, wait: bool) -> None:
        try:
            if self._current is not None:
                _, saving = self._current
                if wait:
                    saving.finish()
                if wait or saving.is_finished():
                    self._current = None
            if self._current is None and self._waiting:
                which, trees, metadata = self._waiting.popleft()
                self._current = which, self._checkpoints.begin_saving(which, trees, metadata)
        except CheckpointError:
            self._current = None
            self._waiting.clear()
            raise

    def _is_on_its_way(self, which: Which) -> bool:
        current = () if self._current is None else (self._current[0],)
        return which in (*current, *(save.which for save in self._waiting))


@jax.jit
def _copy(trees: dict[str, PyTree]) -> dict[str, PyTree]:
    return jax.tree.map(jnp.copy, trees)


def _have_room_for_a_copy(trees: dict[str, PyTree]) -> bool:
    """Whether this process's devices have it beside all that the steps have ever taken."""
    leaves = jax.tree.leaves(trees)
    needed = sum(np.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize for leaf in leaves)
    free = free_bytes(jax.local_devices(), at_peak=True)
    return free is None or bool(needed <= free)

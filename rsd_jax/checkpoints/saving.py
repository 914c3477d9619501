"""One checkpoint on its way to the disk, written by a thread while the training goes on.

In the thread of the steps all processes agree, at the same points of their way, on what has become of it: whatever one
fails at, all of them learn, and none waits for it. The thread in the background writes, and asks nobody.
"""

import concurrent.futures
import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jax

from rsd_jax.array_types import PyTree
from rsd_jax.atomic_files import partial_name, whole_folder
from rsd_jax.checkpoints import array_files
from rsd_jax.checkpoints.errors import CheckpointWriteError
from rsd_jax.checkpoints.manifest import write_manifest
from rsd_jax.distributed import hosts

ARRAYS = "arrays"
"""What Orbax writes of a checkpoint, beside the manifest."""

_SECONDS_BETWEEN_LOOKS = 1.0


class Saving:
    """A checkpoint that is being written. Every process of a run calls every method alike.

    The primary process makes the folder under a temporary name, adds what is told of the arrays when all have written
    theirs, gives the folder its name, and only then removes the folders beside it, which are older.
    """

    def __init__(
        self, folder: Path, trees: dict[str, PyTree], content: dict[str, Any], told: Callable[[Path], dict[str, Any]]
    ) -> None:
        """Begins to write.

        Args:
            folder: of the checkpoint.
            trees: named trees of arrays, which must last until they are written.
            content: of its manifest.
            told: more of it, read from the folder of the written arrays; called by the primary process in the
                background.

        Raises:
            CheckpointWriteError: in all processes, if one cannot begin.
        """
        self._folder, self._trees, self._content, self._told = folder, trees, content, told
        self._making = ExitStack()
        thread = ThreadPoolExecutor(1, f"saving {folder.name}")
        if jax.process_count() == 1:
            self._part: Future[None] = thread.submit(self._write)
        else:
            self._part = thread.submit(self._complete, self._begin_together())
        thread.shutdown(wait=False)

    def is_finished(self) -> bool:
        """Whether the checkpoint is there, whole: the same answer in all processes, which wait for none.

        Raises:
            CheckpointWriteError: the folder is full or not writable for one of the processes; all of them raise it,
                and nothing half-written remains.
        """
        try:
            with hosts.all_or_none("writing arrays"):
                if is_own_part_done := self._part.done():
                    self._part.result()
        except (OSError, ValueError) as error:
            raise self._given_up(error) from error
        return hosts.everywhere(is_own_part_done)

    def finish(self) -> None:
        """Waits until `is_finished`; raises as it does."""
        # Looked at again and again: at Orbax's own barrier a process would wait minutes for one that has failed
        # before it.
        while not self.is_finished():
            concurrent.futures.wait([self._part], _SECONDS_BETWEEN_LOOKS)

    def abandon(self, error: BaseException) -> None:
        """Stops caring, after `error` of this process alone: once it returns, nothing is written any more."""
        array_files.wait_until_still(partial_name(self._folder))
        self._making.pop_all().__exit__(type(error), error, error.__traceback__)

    def _given_up(self, error: Exception) -> CheckpointWriteError:
        self.abandon(error)
        return CheckpointWriteError(self._folder, error)

    def _begin_together(self) -> array_files.Writing:
        try:
            with hosts.all_or_none("making the folder"):
                self._make_folder()
            with hosts.all_or_none("making the folder of arrays"):
                return self._begin()
        except (OSError, ValueError) as error:
            raise self._given_up(error) from error

    def _write(self) -> None:
        self._make_folder()
        self._complete(self._begin())

    def _make_folder(self) -> None:
        if hosts.is_primary():
            self._making.enter_context(whole_folder(self._folder, replaces=True))

    def _begin(self) -> array_files.Writing:
        return array_files.begin_writing(partial_name(self._folder) / ARRAYS, self._trees)

    def _complete(self, writing: array_files.Writing) -> None:
        arrays = partial_name(self._folder) / ARRAYS
        array_files.finish_writing(writing, arrays)
        self._trees = {}  # what they take on the devices is free now
        if hosts.is_primary():
            told = self._told(arrays)
            # Taken over whole: a failure that another process tells of meanwhile no longer undoes it.
            with self._making.pop_all():
                write_manifest(arrays.parent, {**self._content, **told})
            remove_others(self._folder)


def remove_others(folder: Path) -> None:
    """Removes what lies beside a checkpoint: older ones, and what was left of one that was not completed."""
    for other in folder.parent.iterdir():
        if other != folder:
            shutil.rmtree(other)

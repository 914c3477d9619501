"""Converts a dataset from one format into another, on all cores, and goes on where it was interrupted.

Episodes are written one by one into a folder beside the target; the dataset is made of them at the end and appears by
one rename. So the target is either absent or complete, and an episode that was written is not read again.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from rsd_jax.atomic_files import whole_folder, write_json
from rsd_jax.demos.dataset import DemoDataset
from rsd_jax.demos.writer import DemoWriter
from rsd_jax.folder_lock import in_use
from rsd_jax.worker_process import begin_work_for

_DESCRIPTION = "conversion.json"


def convert(
    dataset: DemoDataset,
    writer: DemoWriter,
    target: Path,
    *,
    description: Mapping[str, object],
    workers: int = 1,
    on_episode: Callable[[], None] = lambda: None,
) -> None:
    """Writes all demonstrations of `dataset` into the folder `target`.

    Args:
        dataset: what is converted.
        writer: of the target's format.
        target: a folder that does not exist yet.
        description: what is converted and how; JSON values. Only a conversion of the same is gone on with.
        workers: processes that read and write episodes; 1 stays in this one.
        on_episode: called when an episode is there, also for those of an earlier run.

    Raises:
        FileExistsError: `target` is there already.
        InUseError: another process is converting into it.
        ValueError: there is no demonstration, an unfinished conversion of something else is in the way, or the format
            cannot hold a demonstration.
        DemoFileError: the source is damaged.
        OSError: the folder cannot be written, or is full.
    """
    if not len(dataset):
        raise ValueError("the source holds no demonstration")
    with in_use(target):
        _convert(dataset, writer, target, dict(description) | {"episodes": len(dataset)}, workers, on_episode)


def _convert(
    dataset: DemoDataset,
    writer: DemoWriter,
    target: Path,
    description: Mapping[str, object],
    workers: int,
    on_episode: Callable[[], None],
) -> None:
    if target.exists():
        raise FileExistsError(f"{target} is there already; name another target or delete it")
    unfinished = target.with_name(f".{target.name}.unfinished")
    _begin(unfinished, description)
    parts = [unfinished / f"episode_{index:06d}" for index in range(len(dataset))]
    missing = [index for index, part in enumerate(parts) if not part.exists()]
    for _ in range(len(dataset) - len(missing)):
        on_episode()
    for _ in _write_parts(dataset, writer, parts, missing, workers):
        on_episode()
    with whole_folder(target) as assembled:
        writer.assemble(parts, assembled)
    shutil.rmtree(unfinished)


def _begin(folder: Path, description: Mapping[str, object]) -> None:
    """Makes the folder of episodes, or checks that the one that is there belongs to the same conversion."""
    path = folder / _DESCRIPTION
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) != description:
        raise ValueError(
            f"{folder} holds an unfinished conversion of another source or kind ({path}); delete the folder"
        )
    if not path.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write_json(path, description)


def _write_parts(
    dataset: DemoDataset, writer: DemoWriter, parts: list[Path], indices: list[int], workers: int
) -> Iterator[None]:
    """Writes episodes; yields when one is there."""
    if workers == 1:
        for index in indices:
            _write_part(dataset, writer, index, parts[index])
            yield
        return
    held = (os.getpid(), dataset, writer)
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_hold, initargs=held)
    try:
        for future in as_completed([pool.submit(_write_held, index, parts[index]) for index in indices]):
            future.result()
            yield
    finally:
        pool.shutdown(cancel_futures=True)


_held: tuple[DemoDataset, DemoWriter]


def _hold(owner: int, dataset: DemoDataset, writer: DemoWriter) -> None:
    """Keeps in a worker what all its episodes need; a large index is sent once only."""
    global _held
    begin_work_for(owner)
    _held = dataset, writer


def _write_held(index: int, part: Path) -> None:
    _write_part(*_held, index, part)


def _write_part(dataset: DemoDataset, writer: DemoWriter, index: int, part: Path) -> None:
    with whole_folder(part) as folder:
        writer.write_part(folder, dataset[index])

"""Converts a dataset from one format into another, on all cores, and goes on where it was interrupted.

Episodes are written one by one into a folder beside the target; the dataset is made of them at the end and appears by
one rename. So the target is either absent or complete, and an episode that was written is not read again. One that was
left out is: it may have been mended since.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from rsd_jax.atomic_files import whole_folder, write_json
from rsd_jax.demos.dataset import DemoDataset
from rsd_jax.demos.file_errors import DemoFileError
from rsd_jax.demos.writer import DemoWriter
from rsd_jax.folder_lock import in_use
from rsd_jax.worker_process import begin_work_for

OnError = Literal["stop", "skip"]
"""What becomes of a conversion when an episode cannot be read: it ends there, or goes on without that one."""

LEFT_OUT = "left_out.json"
"""In the target: the episodes that are not in it, if there are any."""

_DESCRIPTION = "conversion.json"


class LeftOut(NamedTuple):
    """An episode that could not be read.

    Attributes:
        number: of the episode in the dataset, from 0.
        file, episode, field, rule: what the reader says of it, see `DemoFileError`.
    """

    number: int
    file: str
    episode: str
    field: str
    rule: str


class Converted(NamedTuple):
    """What became of a dataset.

    Attributes:
        demonstrations: number of those in the target.
        left_out: the others, in the order of the dataset.
    """

    demonstrations: int
    left_out: tuple[LeftOut, ...]


def convert(
    dataset: DemoDataset,
    writer: DemoWriter,
    target: Path,
    *,
    description: Mapping[str, object],
    on_error: OnError = "stop",
    workers: int = 1,
    on_episode: Callable[[], None] = lambda: None,
) -> Converted:
    """Writes all demonstrations of `dataset` into the folder `target`.

    Args:
        dataset: what is converted.
        writer: of the target's format.
        target: a folder that does not exist yet.
        description: what is converted and how; JSON values. Only a conversion of the same is gone on with.
        on_error: whether an episode that cannot be read ends the conversion, or is left out and listed in the target's
            `LEFT_OUT`. A conversion that stopped may be gone on with by skipping.
        workers: processes that read and write episodes; 1 stays in this one.
        on_episode: called when an episode is there or left out, also for those of an earlier run.

    Raises:
        FileExistsError: `target` is there already.
        InUseError: another process is converting into it.
        ValueError: there is no demonstration, or none that can be read; an unfinished conversion of something else is
            in the way; the format cannot hold a demonstration; `on_error` is none of the two.
        DemoFileError: an episode is damaged.
        OSError: the folder cannot be written, or is full.
    """
    if on_error not in get_args(OnError):
        raise ValueError(f"on_error={on_error!r} must be one of {', '.join(map(repr, get_args(OnError)))}")
    if not len(dataset):
        raise ValueError("the source holds no demonstration")
    with in_use(target):
        whole = dict(description) | {"episodes": len(dataset)}
        return _convert(dataset, writer, target, whole, on_error, workers, on_episode)


def _convert(
    dataset: DemoDataset,
    writer: DemoWriter,
    target: Path,
    description: Mapping[str, object],
    on_error: OnError,
    workers: int,
    on_episode: Callable[[], None],
) -> Converted:
    if target.exists():
        raise FileExistsError(f"{target} is there already; name another target, or move it away")
    unfinished = target.with_name(f".{target.name}.unfinished")
    _begin(unfinished, description, on_error)
    parts = [unfinished / f"episode_{index:06d}" for index in range(len(dataset))]
    missing = [index for index, part in enumerate(parts) if not part.exists()]
    for _ in range(len(dataset) - len(missing)):
        on_episode()
    left_out = []
    for failed in _write_parts(dataset, writer, parts, missing, workers):
        if failed is not None and on_error == "stop":
            rule = f"{failed.rule}. To leave out what cannot be read and go on: --config.on_error=skip"
            raise DemoFileError(Path(failed.file), failed.episode, failed.field, rule)
        if failed is not None:
            left_out.append(failed)
        on_episode()
    left_out.sort()
    if len(left_out) == len(dataset):
        _, file, *rest = left_out[0]
        raise ValueError(f"none of the {len(dataset)} episodes can be read; the first: {': '.join([file, *rest])}")
    skipped = {failed.number for failed in left_out}
    written = _assemble(writer, [part for index, part in enumerate(parts) if index not in skipped], target, left_out)
    shutil.rmtree(unfinished)
    return Converted(written, tuple(left_out))


def _assemble(writer: DemoWriter, parts: Sequence[Path], target: Path, left_out: Sequence[LeftOut]) -> int:
    """Makes the target; returns how many demonstrations a reader finds in it, which are as many as there are parts."""
    with whole_folder(target) as assembled:
        writer.assemble(parts, assembled)
        if left_out:
            write_json(assembled / LEFT_OUT, [failed._asdict() for failed in left_out])
        written = writer.count(assembled)
        if written != len(parts):
            raise ValueError(f"{target} would hold {written} of the {len(parts)} demonstrations; nothing was written")
    return written


def _begin(folder: Path, description: Mapping[str, object], on_error: OnError) -> None:
    """Makes the folder of episodes, or checks that the one that is there belongs to the same conversion."""
    path = folder / _DESCRIPTION
    whole = {**description, "on_error": on_error}  # which may be another one when it is gone on with
    aside = "name another target, or move that folder away"
    if path.exists():
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:  # of JSON, or of UTF-8
            raise ValueError(
                f"{path} is damaged ({error}): it is unknown what was converted there; {aside}"
            ) from error
        if not isinstance(found, dict) or {**found, "on_error": on_error} != json.loads(json.dumps(whole)):
            raise ValueError(
                f"{folder} holds an unfinished conversion of another source or kind ({path} tells which); go on with "
                f"that one by its own command, {aside}"
            )
    elif folder.exists() and any(folder.glob("episode_*")):
        raise ValueError(f"{folder} holds episodes and does not tell of what: {_DESCRIPTION} is missing; {aside}")
    folder.mkdir(parents=True, exist_ok=True)
    write_json(path, whole)


def _write_parts(
    dataset: DemoDataset, writer: DemoWriter, parts: list[Path], indices: list[int], workers: int
) -> Iterator[LeftOut | None]:
    """Writes episodes; yields None when one is there, or why it could not be read."""
    if workers == 1:
        for index in indices:
            yield _write_part(dataset, writer, index, parts[index])
        return
    held = (os.getpid(), dataset, writer)
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_hold, initargs=held)
    try:
        for future in as_completed([pool.submit(_write_held, index, parts[index]) for index in indices]):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


_held: tuple[DemoDataset, DemoWriter]


def _hold(owner: int, dataset: DemoDataset, writer: DemoWriter) -> None:
    """Keeps in a worker what all its episodes need; a large index is sent once only."""
    global _held
    begin_work_for(owner)
    _held = dataset, writer


def _write_held(index: int, part: Path) -> LeftOut | None:
    return _write_part(*_held, index, part)


def _write_part(dataset: DemoDataset, writer: DemoWriter, index: int, part: Path) -> LeftOut | None:
    try:
        demo = dataset[index].expert_part()
    except DemoFileError as error:
        return LeftOut(index, str(error.path), error.episode, error.field, error.rule)
    with whole_folder(part) as folder:
        writer.write_part(folder, demo)
    return None

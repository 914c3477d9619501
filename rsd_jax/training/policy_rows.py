"""The demonstrations of a run as rows of the policy's stage: read and cut once, a process for each task.

Demonstrations are compressed, and reading them takes longer than a small training; so their rows are kept in files
under ``RUN/rows``, which all later stages map into memory. The folder may be removed at any time.
"""

import hashlib
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsd_jax.backbones.interface import Backbone
from rsd_jax.demos.demo import Demo
from rsd_jax.observation_needs import ObservationNeeds
from rsd_jax.run_folder import ROWS_FOLDER
from rsd_jax.training.demonstration_digests import content_digests
from rsd_jax.training.demonstrations import (
    DEMONSTRATED,
    Split,
    action_rows,
    demonstration_files,
    frames,
    instructions,
    proprio,
    split_file,
)
from rsd_jax.training.row_sources import Rows
from rsd_jax.training.row_sources.row_files import RowWriter, stored_rows
from rsd_jax.worker_process import begin_work_for

EncodeInstruction = Callable[[str], NDArray[np.int32]]
"""`Backbone.encode_instruction` of the backbone that the rows are for."""

ROWS_FORMAT = 3
"""Raised whenever `policy_rows` makes something else of the same demonstrations."""


_DIGESTS = "demonstrations.json"


_Cut = tuple[int, int, EncodeInstruction, ObservationNeeds]
"""How rows are cut: the last four arguments of `stored_policy_rows`."""


class PolicyRows(NamedTuple):
    """Rows of the training and the held-out episodes, and a digest of the demonstrations and the way they were cut."""

    train: Rows
    heldout: Rows
    digest: str


def policy_rows(
    demos: Sequence[Demo],
    horizon: int,
    encode: EncodeInstruction,
    cameras: Sequence[str] = DEMONSTRATED.cameras,
) -> Rows:
    """One row a step: fields of `PolicyInputs`, ``actions`` in the dataset's units, ``mask`` and ``foreseeable``."""
    chunks = action_rows(demos, horizon)
    instruction_ids = [np.tile(encode(demo.instruction), (len(demo), 1)) for demo in demos]
    return {
        "images": frames(demos, cameras),
        "proprio": proprio(demos),
        "instruction_ids": np.concatenate(instruction_ids),
        "actions": chunks.actions,
        "mask": chunks.mask,
        "foreseeable": chunks.foreseeable,
    }


def policy_rows_of(run_dir: Path, backbone: Backbone, heldout_every: int) -> PolicyRows:
    """`stored_policy_rows` as a policy with `backbone` needs them."""
    return stored_policy_rows(run_dir, *_cut_for(backbone, heldout_every))


def policy_rows_digest(run_dir: Path, backbone: Backbone, heldout_every: int) -> str:
    """The digest of `policy_rows_of`, without making any rows.

    Raises:
        MissingDemonstrations: there are none; names the command that makes them.
        OSError: the folder of rows cannot be written.
    """
    return _digest(run_dir, demonstration_files(run_dir), _cut_for(backbone, heldout_every))


def _cut_for(backbone: Backbone, heldout_every: int) -> _Cut:
    horizon = backbone.chunks * backbone.chunk_length
    return heldout_every, horizon, backbone.encode_instruction, backbone.observation_needs


def stored_policy_rows(
    run_dir: Path,
    heldout_every: int,
    horizon: int,
    encode: EncodeInstruction,
    needs: ObservationNeeds = DEMONSTRATED,
) -> PolicyRows:
    """`policy_rows` of a run's training and held-out episodes, mapped from files under ``run_dir/rows``.

    The files are made anew only if the demonstrations change.

    Args:
        run_dir: the run's folder.
        heldout_every: every how many-th episode of a task is held out.
        horizon: steps of a row's actions.
        encode: of the backbone that the rows are for.
        needs: size and cameras of its frames.

    Raises:
        DemoFileError: frames are smaller than needed; names the command that renders them anew.
        MissingDemonstrations: there are none; names the command that makes them.
        ValueError: a task has too few episodes to hold one out, or demonstrations without images.
        OSError: the files cannot be written.
    """
    files, cut = demonstration_files(run_dir), (heldout_every, horizon, encode, needs)
    digest = _digest(run_dir, files, cut)
    folder = Path(run_dir) / ROWS_FOLDER / f"policy-{digest}"
    stored = stored_rows(folder, partial(_write_all, files, folder, cut))
    train, heldout = (
        {name.removeprefix(f"{part}."): array for name, array in stored.items() if name.startswith(f"{part}.")}
        for part in Split._fields
    )
    return PolicyRows(train, heldout, digest)


def _digest(run_dir: Path, files: Sequence[Path], cut: _Cut) -> str:
    heldout_every, horizon, encode, needs = cut
    sizes = f"{ROWS_FORMAT} {heldout_every} {horizon} {needs.image_size} {' '.join(needs.cameras)}"
    digest = hashlib.blake2b(sizes.encode(), digest_size=16)
    for instruction in instructions(run_dir):
        digest.update(encode(instruction).tobytes())
    contents = content_digests(files, Path(run_dir) / ROWS_FOLDER / _DIGESTS)
    for path, content in zip(files, contents, strict=True):
        digest.update(f"{path.parent.name}/{path.name}".encode())
        digest.update(content)
    return digest.hexdigest()


def _write_all(files: Sequence[Path], folder: Path, cut: _Cut, writer: RowWriter) -> None:
    """Writes the rows of one file after the other, read by several processes at once."""
    parts = [folder.with_name(f"{folder.name}.part{number}") for number in range(len(files))]
    arguments = (files, parts, repeat(cut))
    try:
        for part in _in_processes(arguments, min(len(files), os.cpu_count() or 1)):
            writer.append_folder(part)
            shutil.rmtree(part)
    finally:
        for part in parts:
            shutil.rmtree(part, ignore_errors=True)


def _in_processes(arguments: tuple[Any, ...], count: int) -> Iterator[Path]:
    if count == 1:
        yield from map(_write_part, *arguments)
        return
    # Fresh processes: a fork of one that uses JAX may hang.
    spawn, owner = multiprocessing.get_context("spawn"), (os.getpid(),)
    with ProcessPoolExecutor(count, mp_context=spawn, initializer=begin_work_for, initargs=owner) as pool:
        yield from pool.map(_write_part, *arguments)


def _write_part(file: Path, folder: Path, cut: _Cut) -> Path:
    """Writes the rows of one task's demonstrations."""
    heldout_every, horizon, encode, needs = cut
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    writer = RowWriter(folder)
    try:
        for part, demos in split_file(file, heldout_every, image_size=needs.image_size)._asdict().items():
            rows = policy_rows(demos, horizon, encode, needs.cameras)
            writer.append({f"{part}.{name}": array for name, array in rows.items()})
    finally:
        writer.close()
    return folder

"""Opening HDF5 files: whole or not at all, in both directions."""

import io
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from rsd_jax.atomic_files import whole_file
from rsd_jax.demos.demo import DemoFieldError
from rsd_jax.demos.file_errors import ALL_EPISODES, DemoFileError
from rsd_jax.demos.libero_hdf5.digest import USER_BLOCK, Condition, condition_of, user_block
from rsd_jax.demos.libero_hdf5.layout import STORED_NAMES
from rsd_jax.demos.libero_hdf5.opening_faults import DAMAGED, LOCKED, is_locked, refused_rule, unopened_rule
from rsd_jax.demos.libero_hdf5.structure_check import DAMAGE, check_structure

_LOGGER = logging.getLogger(__name__)

_PREFIX = "demo_"

_VERSION = ("v110", "v110")
"""Of HDF5's format: the first in which all structure has checksums, and since 2016 every reader knows it."""

_SETTLED = 2.0
"""Seconds after which a change of a file also changes the time of its last change, whatever the clock's steps."""

_checked: set[tuple[int, ...]] = set()
"""Files, as they are now, that this process has checked: each is opened for every one of its episodes."""


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """The file, for reading; checked before HDF5 sees it.

    A file that this project wrote must have its digest. Any other, and one that was edited, is read once in another
    process first, for its damage might never let go of this one.

    Raises:
        DemoFileError: the file is locked, unclosed, not readable, altered, truncated or no HDF5.
        FileNotFoundError: there is no such file.
    """
    try:
        condition = _check(path)
        try:
            file = h5py.File(path, "r")
        except DAMAGE as error:
            raise DemoFileError(path, ALL_EPISODES, "file", unopened_rule(path, error)) from error
    except FileNotFoundError as error:
        raise FileNotFoundError(f"no demonstration file at {path}") from error
    except OSError as error:
        raise DemoFileError(path, ALL_EPISODES, "file", refused_rule(path, error)) from error
    if condition is Condition.CHANGED:
        _LOGGER.warning("%s was changed since it was written, and all of it can be read: it is taken as it is", path)
    with file:
        yield file


@contextmanager
def naming_damage(path: Path, episode: str = ALL_EPISODES) -> Iterator[None]:
    """Names file and episode where reading fails within the block.

    Raises:
        DemoFileError: what the block raised of damage, with the file's, the episode's and the field's name.
    """
    try:
        yield
    except DemoFileError:
        raise
    except DemoFieldError as error:
        raise DemoFileError.of_field(path, episode, error, STORED_NAMES) from error
    except DAMAGE as error:
        rule = f"cannot be read, the file is damaged ({type(error).__name__}: {error})"
        raise DemoFileError(path, episode, "content", rule) from error


def episode_names(path: Path, file: h5py.File) -> list[str]:
    """Names of the demonstrations, in the order of their numbers, which may have gaps.

    Raises:
        DemoFileError: the file has no group of demonstrations, or nothing in it.
    """
    with naming_damage(path):
        if "data" not in file or not isinstance(file["data"], h5py.Group):
            raise DemoFieldError("data", f"group is missing; found {sorted(file)}")
        numbers = {name: name.removeprefix(_PREFIX) for name in file["data"] if name.startswith(_PREFIX)}
        names = [name for name, number in numbers.items() if number.isascii() and number.isdecimal()]
        if not names:
            raise DemoFieldError("data", f"holds no demonstration (demo_0, ...); found {sorted(file['data'])}")
        return sorted(names, key=lambda name: int(numbers[name]))


@contextmanager
def complete_or_absent(path: Path) -> Iterator[h5py.File]:
    """An HDF5 file that appears on disk, whole, when its content is complete, and not at all if anything fails.

    It is assembled in memory: on a full disk HDF5 does not fail, it brings the process down. Its digest stands in it.

    Raises:
        OSError: the folder cannot be written, or is full.
    """
    content = io.BytesIO()
    with h5py.File(content, "w", userblock_size=USER_BLOCK, libver=_VERSION) as file:
        yield file
        is_checked = all(dataset.fletcher32 for dataset in _datasets(file))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as partial, partial.open("wb") as stream:
            written = content.getbuffer()[USER_BLOCK:]
            stream.write(user_block(written, is_checked=is_checked))
            stream.write(written)
    except OSError as error:
        raise OSError(error.errno, f"demonstrations cannot be written ({error.strerror})", str(path)) from error


def _datasets(file: h5py.File) -> list[h5py.Dataset]:
    found: list[h5py.Dataset] = []
    file.visititems(lambda _, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
    return found


def _check(path: Path) -> Condition:
    """What a file's digest says of it, unless that was told before.

    Raises:
        DemoFileError: it must not be opened.
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        if is_locked(stream):
            raise DemoFileError(path, ALL_EPISODES, "file", LOCKED)
        status = os.fstat(stream.fileno())
        state = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if state in _checked:
            return Condition.AS_WRITTEN
        condition = condition_of(stream)
    if condition is Condition.DAMAGED:
        raise DemoFileError(path, ALL_EPISODES, "file", DAMAGED)
    if condition is not Condition.AS_WRITTEN:
        rule = check_structure(path, with_content=condition is Condition.CHANGED)
        if rule is not None:
            raise DemoFileError(path, ALL_EPISODES, "file", rule)
    if condition is not Condition.AS_WRITTEN or time.time() - status.st_mtime > _SETTLED:
        _checked.add(state)
    return condition

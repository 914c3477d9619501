"""Opening HDF5 files: whole or not at all, in both directions."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from rsd_jax.atomic_files import whole_file
from rsd_jax.demos.file_errors import ALL_EPISODES, DemoFileError

_PREFIX = "demo_"


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """The file, for reading.

    Raises:
        DemoFileError: the file is truncated or no HDF5.
        FileNotFoundError: there is no such file.
    """
    if not path.exists():
        raise FileNotFoundError(f"no demonstration file at {path}")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        rule = f"is truncated or not HDF5 ({error}); delete the file and collect, convert or download it again"
        raise DemoFileError(path, ALL_EPISODES, "file", rule) from error
    with file:
        yield file


def episode_names(path: Path, file: h5py.File) -> list[str]:
    """Names of the demonstrations, in the order of their numbers, which may have gaps.

    Raises:
        DemoFileError: the file has no group of demonstrations.
    """
    if "data" not in file:
        raise DemoFileError(path, ALL_EPISODES, "data", f"group is missing; found {sorted(file)}")
    numbers = {name: name.removeprefix(_PREFIX) for name in file["data"] if name.startswith(_PREFIX)}
    return sorted((name for name in numbers if numbers[name].isdigit()), key=lambda name: int(numbers[name]))


@contextmanager
def complete_or_absent(path: Path) -> Iterator[h5py.File]:
    """An HDF5 file that appears on disk, whole, when its content is complete, and not at all if anything fails.

    It is assembled in memory: on a full disk HDF5 does not fail, it brings the process down.

    Raises:
        OSError: the folder cannot be written, or is full.
    """
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        yield file
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as partial, partial.open("wb") as stream:
            stream.write(content.getbuffer())
    except OSError as error:
        raise OSError(error.errno, f"demonstrations cannot be written ({error.strerror})", str(path)) from error

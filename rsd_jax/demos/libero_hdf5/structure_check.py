"""Reads an HDF5 file once, in a process that may come to grief.

A file that has no digest, or another one than it tells, may be damaged anywhere, and in some places that makes HDF5 go
round for ever, or brings the process down. This program reads it first: if it ends, another process can read the same.
"""

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

SECONDS = 10
"""Of computing for a file, and as much again for each 256 MiB of it: the structure of a healthy one takes hundredths
of a second, its content a second or two for that size."""

MEMORY = 8 * 2**30
"""Bytes that the process may use."""

DAMAGE = (AttributeError, KeyError, MemoryError, OSError, OverflowError, RuntimeError, TypeError, ValueError)
"""What h5py raises, and what follows from it, where a file holds something else than it should."""

_FAULTY = 3
"""Exit status where something cannot be read."""


def check_structure(path: Path, *, with_content: bool) -> str | None:
    """What is wrong with a file that cannot be read to its end; None if it can.

    Args:
        path: a file that is there.
        with_content: whether the content of datasets is read as well, and every error counts. Otherwise errors are
            left to whoever reads the file, who can name the episode.
    """
    seconds = SECONDS * (1 + path.stat().st_size // 2**28)
    command = [sys.executable, "-P", __file__, str(path), str(seconds), "all" if with_content else "structure"]
    try:
        process = subprocess.run(command, capture_output=True, text=True, timeout=6 * seconds, check=False)
    except subprocess.TimeoutExpired:
        return f"is damaged, or the disk does not give it: it cannot be read within {6 * seconds} s"
    if process.returncode < 0:
        return (
            f"is damaged: reading it does not end within {seconds} s of computing, or brings the process down "
            f"(signal {-process.returncode}); copy or download it again"
        )
    if process.returncode == _FAULTY:
        return f"is damaged ({process.stdout.strip()}); copy, collect or convert it again"
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{process.stderr}")
    return None


def _faults(path: str, with_content: bool) -> Iterator[str]:
    """Reads everything, and tells what cannot be read."""
    import h5py

    try:
        file = h5py.File(path, "r")
    except DAMAGE:  # whoever reads the file says what it is
        return
    left: list[h5py.Group | h5py.Dataset] = [file]
    seen = set()
    while left:
        item = left.pop()
        try:
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:  # a group may be linked into itself
                continue
            seen.add(address)
            attributes, links = list(item.attrs), list(item) if isinstance(item, h5py.Group) else []
            if isinstance(item, h5py.Dataset) and item.chunks:
                item.id.get_num_chunks()
                for place in item.iter_chunks() if with_content else ():
                    item[place]
            elif isinstance(item, h5py.Dataset) and with_content:
                item[()]
        except DAMAGE as error:
            yield f"{item.name}: {error!r}"
            continue
        for name in attributes:
            try:
                item.attrs[name]
            except DAMAGE as error:
                yield f"attribute {name} of {item.name}: {error!r}"
        for name in links:
            try:
                left.append(item[name])
            except DAMAGE as error:
                yield f"{name} of {item.name}: {error!r}"


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[2]), int(sys.argv[2])))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    faults = list(_faults(sys.argv[1], sys.argv[3] == "all"))
    if faults and sys.argv[3] == "all":
        sys.stdout.write(faults[0])
        sys.exit(_FAULTY)

"""Files and folders that are whole or not there: written under another name, brought to the disk, then renamed.

The other name is ``NAME.partial``. What a killed process left under it is overwritten by the next one that writes the
same, so that nothing piles up; that no two write the same at once is for the caller to see to (`folder_lock`).
"""

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def partial_name(path: Path) -> Path:
    """Where `path` is written before it is renamed."""
    return path.with_name(f"{path.name}.partial")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Gives the name under which to write a file that then replaces `path`; its folder must exist.

    After a failure (a full disk, an exception in the block) the earlier file is still there, and nothing else.

    Raises:
        OSError: it could not be written.
    """
    partial = partial_name(path)
    try:
        yield partial
        _bring_to_disk(partial)
        partial.replace(path)
        _bring_to_disk(path.parent)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path, *, replaces: bool = False, lasts: bool = True) -> Iterator[Path]:
    """Gives an empty folder that becomes `path` when the block ends; after a failure nothing of it remains.

    Args:
        path: the folder; those above it are made.
        replaces: whether an earlier folder of that name goes. It moves to ``NAME.replaced`` just before and is removed
            after, so that at no moment neither of the two is on the disk.
        lasts: whether it must be on the disk before it has its name. What can be made again need not wait for that.

    Raises:
        OSError: it could not be written, or `path` holds something and nothing shall be replaced.
    """
    partial = partial_name(path)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        for folder, _, files in os.walk(partial) if lasts else ():
            for name in files:
                _bring_to_disk(Path(folder, name))
            _bring_to_disk(Path(folder))
        replaced = path.with_name(f"{path.name}.replaced")
        if replaces and path.exists():
            shutil.rmtree(replaced, ignore_errors=True)
            path.rename(replaced)
        partial.rename(path)
        _bring_to_disk(path.parent)
        if replaces:
            shutil.rmtree(replaced, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_atomically(path: Path, text: str) -> None:
    """Replaces `path` by `text`, as `whole_file` does.

    Raises:
        OSError: it could not be written.
    """
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Replaces `path` by `content` as JSON, as `whole_file` does.

    Raises:
        TypeError: `content` has what JSON has not.
        OSError: it could not be written.
    """
    write_atomically(path, json.dumps(content, indent=2) + "\n")


def _bring_to_disk(path: Path) -> None:
    """Waits until a file's content, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems keep no list of names to wait for.
        if not path.is_dir() or error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)

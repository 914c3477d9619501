"""Why an HDF5 file cannot be opened, and what can be done. A healthy file is never called damaged."""

import errno
import fcntl
import os
from pathlib import Path
from typing import BinaryIO

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_GIT_LFS = b"version https://git-lfs"
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP)
_SWITCH = "HDF5_USE_FILE_LOCKING"

LOCKED = (
    "is locked by another process that has it open for writing: wait until that one is done, or close it (fuser FILE "
    f"names it). If nothing writes it and its file system keeps locks badly, set {_SWITCH}=FALSE"
)

DAMAGED = (
    "is damaged: it is not as it was written, its bytes have another SHA-256 than its first line tells; copy, collect "
    "or convert it again"
)


def refused_rule(path: Path, error: OSError) -> str:
    """What is wrong where the file cannot be read as bytes."""
    if path.is_dir():
        return "is a folder; name the file in it"
    if isinstance(error, PermissionError):
        return f"may not be read by you ({error.strerror}): chmod u+r FILE, or ask its owner"
    return f"cannot be read ({error.strerror or error}): the disk or the network does not give it"


def is_locked(file: BinaryIO) -> bool:
    """Whether another process has locked the file for itself, as HDF5 does while it writes; asks as HDF5 asks.

    Where there are no locks, and where the user has switched them off, none are there.
    """
    if os.environ.get(_SWITCH, "").upper() in ("FALSE", "0"):
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        fcntl.flock(file, fcntl.LOCK_UN)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES, *_NO_LOCKS):
            raise
        return error.errno not in _NO_LOCKS
    return False


def unopened_rule(path: Path, error: Exception) -> str:
    """What is wrong where the bytes can be read, but HDF5 does not take them."""
    text = str(error)
    if "lock file" in text:
        if getattr(error, "errno", None) in _NO_LOCKS:
            return f"lies on a file system without locks: set {_SWITCH}=FALSE and run again"
        return LOCKED
    if "already open for" in text or "consistency flags" in text:
        return (
            "was not closed by the process that wrote it. If that one still runs, let it end; if it was killed, "
            "h5clear -s FILE (of HDF5's tools) takes the mark away, and what was written until then can be read"
        )
    with path.open("rb") as file:
        beginning, size = file.read(4096), file.seek(0, os.SEEK_END)
    if not size:
        return "is empty (0 bytes): its writer or its download did not get further; get it again"
    if beginning.startswith(_GIT_LFS):
        return "is a pointer of Git LFS, not the file itself: git lfs pull"
    if _SIGNATURE not in beginning:
        return f"is no HDF5 file: it begins with {beginning[:16]!r}; name another, or download it again"
    if "truncated file" in text:
        return (
            f"is truncated: it has {size} bytes and fewer than its header tells ({text}). Its copying or download was "
            "cut off, or its writer was killed or still runs: wait for that one, or copy, download or write it again"
        )
    return f"is truncated or damaged, HDF5 cannot open it ({text}); copy, download or write it again"

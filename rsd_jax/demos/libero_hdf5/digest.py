"""The digest of a whole HDF5 file, in the file: a byte altered anywhere is noticed before HDF5 sees it.

HDF5 leaves the first 512 bytes of a file to whoever wants them (its "user block") and every reader of HDF5 skips them.
There stand one line of digests and the line's own checksum. Files without it, by others and of earlier versions, have
nothing to be checked against.

Whoever changes such a file with HDF5's own tools changes its bytes as well. That is told from damage by what HDF5
checks itself. Files are written in its format of 1.10, in which all structure has checksums, and with checksums of all
datasets; what has none is the heap of texts. So a file in which nothing but texts is altered is damaged; any other was
edited if all that it holds can be read, and is damaged if not.
"""

import hashlib
import mmap
import re
import zlib
from enum import Enum
from pathlib import Path
from typing import BinaryIO

USER_BLOCK = 512
"""Bytes in front of the HDF5 content."""

_BEGINNING = b"rsd_jax demonstrations: "
_LINE = re.compile(
    re.escape(_BEGINNING)
    + rb"(sha256 (?P<whole>[0-9a-f]{64}), without texts (?P<structure>[0-9a-f]{64}|-)), crc32 (?P<crc>[0-9a-f]{8})\n"
)
_HEAP = re.compile(rb"GCOL\x01\0\0\0(.{8})", re.DOTALL)
"""Where HDF5 keeps texts of any length: a signature, a version, three zeros and the size of it all."""


class Condition(Enum):
    """What a file's digest says of it."""

    AS_WRITTEN = "as written"
    WITHOUT_DIGEST = "of others, or of an earlier version"
    CHANGED = "changed, perhaps with HDF5's tools"
    DAMAGED = "damaged"


def user_block(content: bytes | memoryview, *, is_checked: bool) -> bytes:
    """The 512 bytes that stand before `content`.

    Args:
        content: everything behind them.
        is_checked: whether HDF5 has checksums of all of it but the texts.
    """
    structure = _without_texts(content) if is_checked else "-"
    digests = f"sha256 {hashlib.sha256(content).hexdigest()}, without texts {structure}".encode()
    line = _BEGINNING + digests + b", crc32 %08x\n" % zlib.crc32(digests)
    return line.ljust(USER_BLOCK, b"\0")


def condition_of(file: BinaryIO) -> Condition:
    """Reads a file and compares it with the digests in it. One that tells none is not read."""
    block = file.read(USER_BLOCK)
    if not block.startswith(_BEGINNING):
        return Condition.WITHOUT_DIGEST
    line = _LINE.match(block)
    if line is None or int(line["crc"], 16) != zlib.crc32(line[1]):
        return Condition.DAMAGED
    with (
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        memoryview(mapped) as whole,
        whole[USER_BLOCK:] as content,
    ):
        if hashlib.sha256(content).hexdigest() == line["whole"].decode():
            return Condition.AS_WRITTEN
        structure = line["structure"].decode()
        return Condition.DAMAGED if structure in ("-", _without_texts(content)) else Condition.CHANGED


def seal(path: Path) -> None:
    """States the digest of a file anew, after it was changed on purpose.

    Raises:
        ValueError: the file has no room for a digest: it was written by others, or by an earlier version.
    """
    with Path(path).open("r+b") as file:
        if not file.read(USER_BLOCK).startswith(_BEGINNING):
            raise ValueError(f"{path} tells no digest; only files that this project writes do")
        block = user_block(file.read(), is_checked=False)
        file.seek(0)
        file.write(block)


def _without_texts(content: bytes | memoryview) -> str:
    """Digest of `content` but for HDF5's heaps of texts."""
    digest, done = hashlib.sha256(), 0
    for heap in _HEAP.finditer(content):
        begin, end = heap.start(), heap.start() + int.from_bytes(heap[1], "little")
        if begin >= done:
            digest.update(content[done:begin])
            done = min(end, len(content))
    digest.update(content[done:])
    return digest.hexdigest()

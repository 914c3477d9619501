"""TFRecord files: records of bytes, each with its length and checksums.

uint64 length | uint32 masked crc32c of the length | bytes | uint32 masked crc32c of the bytes     (little-endian)
"""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import google_crc32c

_HEADER = struct.Struct("<QI")
_FOOTER = struct.Struct("<I")
_MASK_DELTA = 0xA282EAD8


class DamagedRecord(ValueError):
    """A record is cut off or its checksum is wrong.

    Attributes:
        number: of the record within its file.
    """

    def __init__(self, number: int, rule: str) -> None:
        super().__init__(rule)
        self.number = number


class RecordPlace(NamedTuple):
    """Where a record's content lies: number within its file, offset and length in bytes."""

    number: int
    offset: int
    length: int


def find_records(path: Path) -> Iterator[RecordPlace]:
    """Lists the records of a file, reading their headers only.

    Raises:
        DamagedRecord: a header is cut off or has a wrong checksum, or the file ends within a record.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        index = 0
        while (start := stream.tell()) < size:
            length = _read_length(stream, index)
            place = RecordPlace(index, start + _HEADER.size, length)
            if place.offset + length + _FOOTER.size > size:
                raise DamagedRecord(index, f"needs {length} bytes, the file ends before them: it is truncated")
            yield place
            stream.seek(length + _FOOTER.size, os.SEEK_CUR)
            index += 1


def read_record(path: Path, place: RecordPlace) -> bytes:
    """Reads the content of a record.

    Raises:
        DamagedRecord: the file ends before it, or the checksum is wrong.
    """
    with path.open("rb") as stream:
        stream.seek(place.offset)
        content, footer = stream.read(place.length), stream.read(_FOOTER.size)
    if len(content) < place.length or len(footer) < _FOOTER.size:
        raise DamagedRecord(place.number, "the file ends within the record: it is truncated")
    if _FOOTER.unpack(footer)[0] != masked_crc(content):
        raise DamagedRecord(place.number, "its content does not match its checksum (crc32c): the file is damaged")
    return content


def masked_crc(content: bytes) -> int:
    """The checksum that TFRecord files store: crc32c, turned by 15 bits and shifted by a constant."""
    crc = google_crc32c.value(content)
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF


def _read_length(stream: BinaryIO, index: int) -> int:
    header = stream.read(_HEADER.size)
    if len(header) < _HEADER.size:
        raise DamagedRecord(index, "the file ends within the record's header: it is truncated")
    length, crc = _HEADER.unpack(header)
    if crc != masked_crc(header[:8]):
        raise DamagedRecord(index, "its length does not match its checksum (crc32c): damaged, or no TFRecord file")
    return int(length)

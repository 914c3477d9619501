"""Messages with arrays in them, as two protocols write them: msgpack, and nothing that could run code.

openpi writes an array as a map with bytes keys (``b"__ndarray__"``, ``b"data"``, ``b"dtype"``, ``b"shape"``), a number
of NumPy with ``b"__npgeneric__"``. vla-evaluation-harness has the same keys as text, and images, ``uint8 [H, W, 3]``,
as PNG: ``{"__image__": True, "format": "png", "data", "shape"}``. Arrays of Python objects are refused both ways.
"""

import io
import itertools
import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray
from PIL import Image

LARGEST_SIDE = 4096
"""Pixels; an image that says it is larger is refused before it is decoded."""

MOST_SIDES = 32
"""Of an array's shape; NumPy takes 64 at most."""

MOST_CONTAINERS = 4096
"""Maps and lists of a message, arrays included: of millions, each a byte, a server would be busy for a second."""

_DTYPE = re.compile(r"[<>|=]?[biufSU][1-9]\d{0,8}")  # no Python objects, no records, nothing without a size
_SENDABLE = "only booleans, real numbers and texts are sent as arrays"
_IMAGE_FORMATS = ("PNG", "JPEG")

# Pillow tells damage by many kinds of exceptions, and warns of an image that claims to be too large for any memory.
_DAMAGED_IMAGE = (
    *(OSError, EOFError, SyntaxError, ValueError, TypeError, OverflowError, IndexError, struct.error),
    *(Image.DecompressionBombError, Image.DecompressionBombWarning),
)


class MessageError(ValueError):
    """Bytes that are no message, or hold what may not be in one. The text says what and why, for whoever sent them."""


@dataclass(frozen=True)
class EncodedImage:
    """An image of a message, not decoded yet: that takes milliseconds, and not every image is looked at.

    Attributes:
        data: PNG or JPEG.
    """

    data: bytes

    def decode(self) -> NDArray[np.uint8]:
        """The image, ``uint8 [H, W, 3]``.

        Raises:
            MessageError: it is damaged, too large, no PNG or JPEG, or has no colours.
        """
        try:
            with Image.open(io.BytesIO(self.data), formats=_IMAGE_FORMATS) as image:
                if max(image.size) > LARGEST_SIDE:
                    raise MessageError(f"an image has sides of {image.size} pixels; at most {LARGEST_SIDE} are taken")
                if image.mode != "RGB":
                    raise MessageError(f"an image is of mode {image.mode}; send RGB, uint8 [H, W, 3]")
                return np.array(image)
        except MessageError:
            raise
        except _DAMAGED_IMAGE as error:
            raise MessageError(f"an image cannot be decoded ({error}); send it whole, as PNG or JPEG") from error


def pack_openpi(content: Any) -> bytes:
    """A message as openpi writes it.

    Raises:
        MessageError: an array of records, Python objects or complex numbers, or something that msgpack has not.
    """
    return _pack(content, _openpi_value)


def unpack_openpi(message: bytes) -> Any:
    """What a message of openpi holds; its arrays are views of it, read-only.

    Raises:
        MessageError: it is no msgpack, or an array in it is not what it says it is.
    """
    return _unpack(message, _from_openpi_value)


def pack_harness(content: Any) -> bytes:
    """A message as vla-evaluation-harness writes it: images, ``uint8 [H, W, 3]``, as PNG; raises as `pack_openpi`."""
    return _pack(content, _harness_value)


def unpack_harness(message: bytes) -> Any:
    """What a message of vla-evaluation-harness holds, images as `EncodedImage`; raises as `unpack_openpi`."""
    return _unpack(message, _from_harness_value)


def encode_png(image: NDArray[np.uint8]) -> EncodedImage:
    """An image ``uint8 [H, W, 3]`` as PNG; `pack_harness` does so itself, which counts where one is sent often."""
    buffer = io.BytesIO()
    # The lowest effort: on a wire within a machine time counts, and frames are gone at once.
    Image.fromarray(image).save(buffer, format="PNG", compress_level=1)
    return EncodedImage(buffer.getvalue())


def _pack(content: Any, value: Any) -> bytes:
    try:
        packed: bytes = msgpack.packb(content, default=value)
    except (TypeError, OverflowError, UnicodeEncodeError) as error:
        raise MessageError(f"{error}: a message holds maps, lists, texts, bytes, numbers and arrays") from error
    return packed


def _unpack(message: bytes, hook: Any) -> Any:
    numbers = itertools.count(1)

    def read(container: dict[Any, Any] | list[Any]) -> Any:
        if next(numbers) > MOST_CONTAINERS:
            raise MessageError(f"a message holds more than {MOST_CONTAINERS} maps and lists; send numbers as an array")
        return hook(container) if isinstance(container, dict) else container

    try:
        return msgpack.unpackb(message, object_hook=read, list_hook=read)
    except MessageError:
        raise
    # What msgpack raises over foreign bytes: keys that cannot be in a map are a TypeError.
    except (ValueError, TypeError, KeyError, OverflowError, msgpack.exceptions.UnpackException) as error:
        raise MessageError(f"{len(message)} bytes are no message of msgpack: {error!r}") from error


def _openpi_value(value: Any) -> Any:
    if not isinstance(value, np.ndarray | np.generic):
        raise TypeError(f"{type(value).__name__} cannot be sent")
    _require_sendable(value.dtype)
    if isinstance(value, np.ndarray):
        return {b"__ndarray__": True, b"data": value.tobytes(), b"dtype": value.dtype.str, b"shape": value.shape}
    return {b"__npgeneric__": True, b"data": value.item(), b"dtype": value.dtype.str}


def _from_openpi_value(value: dict[Any, Any]) -> Any:
    if b"__ndarray__" in value:
        return _array(value, b"data", b"dtype", b"shape")
    if b"__npgeneric__" in value:
        return _generic(value.get(b"data"), _dtype(value.get(b"dtype")))
    return value


def _generic(content: Any, kind: np.dtype[Any]) -> Any:
    # A number makes bytes of so many zeros, whatever fits into no memory.
    wanted = {"U": str, "S": bytes}.get(kind.kind, (bool, int, float))
    if not isinstance(content, wanted):
        raise MessageError(f"a scalar of dtype {kind} has data of type {type(content).__name__}, which it cannot be")
    return kind.type(content)


def _harness_value(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        if value.ndim == 3 and value.dtype == np.uint8 and value.shape[2] == 3:
            return _image_value(encode_png(value), value.shape)
        _require_sendable(value.dtype)
        shape = list(value.shape)
        return {"__ndarray__": True, "data": value.tobytes(), "dtype": value.dtype.str, "shape": shape}
    if isinstance(value, EncodedImage):
        return _image_value(value, ())
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be sent")


def _image_value(image: EncodedImage, shape: tuple[int, ...]) -> dict[str, Any]:
    return {"__image__": True, "format": "png", "data": image.data, "shape": list(shape)}


def _from_harness_value(value: dict[Any, Any]) -> Any:
    if "__image__" in value:
        if value.get("format") == "raw":
            return _array(value, "data", "dtype", "shape")
        if not isinstance(value.get("data"), bytes):
            raise MessageError("an image has no data; send its PNG or JPEG as bytes under the key data")
        return EncodedImage(value["data"])
    if "__ndarray__" in value:
        return _array(value, "data", "dtype", "shape")
    return value


def _array(value: Mapping[Any, Any], data: Any, dtype: Any, shape: Any) -> NDArray[Any]:
    content, kind, sides = value.get(data), _dtype(value.get(dtype)), value.get(shape)
    if not isinstance(content, bytes) or not isinstance(sides, list | tuple):
        raise MessageError(
            f"an array needs data (bytes) and shape (a list), and has {type(content)} and {type(sides)}"
        )
    if len(sides) > MOST_SIDES:  # before they are multiplied, which takes the square of their number
        raise MessageError(f"an array has {len(sides)} sides; at most {MOST_SIDES} are taken")
    if not all(type(side) is int and side >= 0 for side in sides):
        raise MessageError(f"an array has shape {sides}; its sides must be whole numbers from 0 on")
    if math.prod(sides) * kind.itemsize != len(content):
        raise MessageError(f"an array of shape {sides} and dtype {kind} cannot lie in {len(content)} bytes")
    try:
        return np.ndarray(tuple(sides), kind, content)
    except (ValueError, OverflowError) as error:  # without content, sides can be larger than any memory
        raise MessageError(f"an array has shape {sides}, which NumPy does not take ({error})") from error


def _dtype(name: Any) -> np.dtype[Any]:
    text = name.decode("ascii", "replace") if isinstance(name, bytes) else name
    try:
        if isinstance(text, str) and _DTYPE.fullmatch(text):
            return np.dtype(text)
    except TypeError:  # of a size that there is not
        pass
    raise MessageError(f"an array has dtype {name!r}; {_SENDABLE}")


def _require_sendable(dtype: np.dtype[Any]) -> None:
    if not _DTYPE.fullmatch(dtype.str):
        raise MessageError(f"an array has dtype {dtype}; {_SENDABLE}")

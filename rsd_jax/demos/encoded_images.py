"""Images that a dataset holds encoded, one for each step."""

import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rsd_jax.demos.demo import DemoFieldError

# What Pillow raises for unknown, truncated and damaged images: OSError for most, the others out of its parsers.
_PILLOW_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    IndexError,
    TypeError,
    EOFError,
    OverflowError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


def decode_image(field: str, step: int, content: bytes) -> NDArray[np.uint8]:
    """Decodes a PNG, JPEG or other image to ``uint8 [H, W, 3]``.

    Raises:
        DemoFieldError: it cannot be decoded; names `field` and `step`.
    """
    try:
        return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"), np.uint8)
    except _PILLOW_ERRORS as error:
        raise DemoFieldError(field, f"of step {step} cannot be decoded ({error})") from error

"""Textures that tables, floors and walls may have: those that come with robosuite, a few of which LIBERO uses."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

IMAGES = (
    *(
        "blue-wood",
        "brass-ambra",
        "ceramic",
        "clay",
        "cream-plaster",
        "dark-wood",
        "dirt",
        "gray-felt",
        "gray-plaster",
    ),
    *("gray-woodgrain", "green-wood", "light-gray-floor-tile", "light-gray-plaster", "light-wood", "metal"),
    *("pink-plaster", "red-wood", "steel-brushed", "steel-scratched", "white-bricks", "white-plaster", "wood-tiles"),
    *("wood-varnished-panels", "yellow-plaster"),
)
"""Their names."""


@lru_cache(maxsize=len(IMAGES))
def surface_image(name: str, side: int) -> NDArray[np.uint8]:
    """A texture, ``[side, side, 3]``.

    Raises:
        ValueError: there is none of this name.
    """
    if name not in IMAGES:
        raise ValueError(f"image = {name!r} is no texture of a surface; choose one of {', '.join(IMAGES)}")
    import robosuite

    path = Path(robosuite.__file__).parent / "models" / "assets" / "textures" / f"{name}.png"
    with Image.open(path) as stored:
        return np.asarray(stored.convert("RGB").resize((side, side), Image.Resampling.BOX))

"""Frames for demonstrations that were collected without images.

    python -m launch.render --config configs/render.py --config.run_dir=runs/NAME
    python -m launch.render --config configs/render.py --config.run_dir=runs/NAME --config.image_size=256

Times on 2 cores without a GPU: about 10 seconds a demonstration of libero_spatial.
"""

from ml_collections import ConfigDict

VARIANTS = ("",)


def get_config(variant: str = "") -> ConfigDict:
    """Values of the rendering; there is one variant."""
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(map(repr, VARIANTS))}, got {variant!r}")
    config = ConfigDict()
    config.run_dir = "runs/default"
    # Pixels a side, 128 or 256; demonstrations with smaller frames are rendered anew.
    config.image_size = 128
    # Worker processes; 0 means one per core.
    config.workers = 0
    config.lock()
    return config

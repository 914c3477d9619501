r"""The published rows of libero_object: ten things, each from the floor into the basket, 50 episodes each.

    python -m launch.pipeline --config configs/libero_object.py

Stages, decoders and rules are those of configs/libero_spatial.py, and so is everything that is said there; the values
of a stage stand in its own config under the variant ``libero_object``. Its figures:

    python -m launch.record_suite runs/libero_object --suite libero_object --results results/libero_object.json \
        --readme docs/results.md
"""

from ml_collections import ConfigDict

from configs.libero_spatial import get_config as _libero_spatial

VARIANTS = ("libero_object",)


def get_config(variant: str = "libero_object") -> ConfigDict:
    """Values of the pipeline; there is one variant."""
    if variant not in VARIANTS:
        raise ValueError(f"variant must be {VARIANTS[0]!r}, got {variant!r}")
    config = _libero_spatial()
    with config.unlocked():
        config.variant, config.run_dir = variant, f"runs/{variant}"
    return config

r"""The published rows of libero_goal: ten things to do in one kitchen, 50 episodes each.

    python -m launch.pipeline --config configs/libero_goal.py

Stages, decoders and rules are those of configs/libero_spatial.py, and so is everything that is said there; the values
of a stage stand in its own config under the variant ``libero_goal``. Its figures:

    python -m launch.record_suite runs/libero_goal --suite libero_goal --results results/libero_goal.json \
        --readme docs/results.md
"""

from ml_collections import ConfigDict

from configs.libero_spatial import get_config as _libero_spatial

VARIANTS = ("libero_goal",)


def get_config(variant: str = "libero_goal") -> ConfigDict:
    """Values of the pipeline; there is one variant."""
    if variant not in VARIANTS:
        raise ValueError(f"variant must be {VARIANTS[0]!r}, got {variant!r}")
    config = _libero_spatial()
    with config.unlocked():
        config.variant, config.run_dir = variant, f"runs/{variant}"
    return config

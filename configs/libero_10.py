"""All of libero_10, from nothing to 50 episodes a task: ten long tasks in kitchens, living rooms and a study.

    python -m launch.pipeline --config configs/libero_10.py

Stages, decoders and rules are those of configs/libero_spatial.py; the values of a stage stand in its own config under
the variant ``libero_10``. Seed 0 reached 484 of 500 (results/libero_10.json), in 14 minutes
beside other trainings on two H200. The figures of a run:

    python -m launch.record_suite runs/libero_10 --suite libero_10 --results results/libero_10.json
"""

from ml_collections import ConfigDict

from configs.libero_spatial import of_suite

VARIANTS = ("libero_10",)


def get_config(variant: str = "libero_10") -> ConfigDict:
    """Values of the pipeline; there is one variant."""
    return of_suite(variant, VARIANTS)

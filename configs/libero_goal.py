"""All of libero_goal, from nothing to 50 episodes a task: ten things to do in one kitchen.

    python -m launch.pipeline --config configs/libero_goal.py

Stages, decoders and rules are those of configs/libero_spatial.py; the values of a stage stand in its own config under
the variant ``libero_goal``. Seed 0 reached 486 of 500 (results/libero_goal.json), in 13 minutes
beside other trainings on two H200. The figures of a run:

    python -m launch.record_suite runs/libero_goal --suite libero_goal --results results/libero_goal.json
"""

from ml_collections import ConfigDict

from configs.libero_spatial import of_suite

VARIANTS = ("libero_goal",)


def get_config(variant: str = "libero_goal") -> ConfigDict:
    """Values of the pipeline; there is one variant."""
    return of_suite(variant, VARIANTS)

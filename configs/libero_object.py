r"""All of libero_object, from nothing to 50 episodes a task: ten things, each from the floor into the basket.

    python -m launch.pipeline --config configs/libero_object.py

Stages, decoders and rules are those of configs/libero_spatial.py; the values of a stage stand in its own config under
the variant ``libero_object``. Seed 0 reached 496 of 500, and 495 by the cascade (results/libero_object.json), trained
in 12 minutes beside other trainings on two H200. The figures of a run, and of its cascade:

    python -m launch.record_suite runs/libero_object --suite libero_object --results results/libero_object.json
    python -m launch.record_cascade runs/libero_object --suite libero_object --pipeline configs/libero_object.py \
        --times FILE.json --results results/cascade_libero_object.json
"""

from ml_collections import ConfigDict

from configs.libero_spatial import of_suite

VARIANTS = ("libero_object",)


def get_config(variant: str = "libero_object") -> ConfigDict:
    """Values of the pipeline; there is one variant."""
    return of_suite(variant, VARIANTS)

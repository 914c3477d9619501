"""A policy that regresses in two steps (MIP, arXiv 2512.01809): configs/policy.py with another head.

    python -m launch.train --config configs/two_step_policy.py --config.run_dir=runs/NAME

Makes the run's ``policy/``; the decoder two_step_regression acts by it. Needs what configs/policy.py needs; variants
and times are the same.
"""

from ml_collections import ConfigDict

from configs import policy

VARIANTS = policy.VARIANTS


def get_config(variant: str = "") -> ConfigDict:
    """Values of the stage; `variant` is one of `VARIANTS`."""
    config = policy.get_config(variant)
    with config.unlocked():
        config.stage = "two_step_policy"
        width = 16 if variant == "tiny" else config.model.backbone.width
        config.model.head = ConfigDict({"chunk_length": 8, "width": width, "action_dim": 7})
        # Standard deviation of the noise on the label that the second step starts from, in half-ranges.
        config.model.noise = 0.1
    config.lock()
    return config

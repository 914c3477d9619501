r"""A policy that learns the demonstrations' own tokens: backbone and main head together, teacher-forced.

    python -m launch.train --config configs/token_policy.py --config.run_dir=runs/NAME
    python -m launch.train --config configs/main_head.py --config.run_dir=runs/NAME --config.model.of_policy=True \
        --config.model.labels=demonstrations --config.training.steps=1 --config.training.warmup_steps=0
    python -m launch.train --config configs/draft.py --config.run_dir=runs/NAME --config.model.labels=demonstrations

Makes the run's ``policy/``, whose regression head is a probe; the second command takes its main head over, for every
decoder of tokens, and the third trains a draft model for those that draft. Needs what configs/policy.py needs;
variants and times are the same.
"""

from ml_collections import ConfigDict

from configs import policy

VARIANTS = policy.VARIANTS


def get_config(variant: str = "") -> ConfigDict:
    """Values of the stage; `variant` is one of `VARIANTS`."""
    config = policy.get_config(variant)
    with config.unlocked():
        config.stage = "token_policy"
        config.model.backbone.chunks = 1
        tokens = config.model.tokens = ConfigDict()
        # Of the main head, see configs/main_head.py.
        tokens.width, tokens.depth, tokens.column_features = 128, 2, 16
        tokens.mode_locked = False
        # Weight of the digits' cross-entropy against the L1 distance of the latents.
        tokens.digit_weight = 1.0
        if variant == "tiny":
            tokens.width, tokens.depth, tokens.column_features = 16, 1, 4
    config.lock()
    return config

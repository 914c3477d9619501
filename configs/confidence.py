"""The draft policy's confidence: a head that tells how far the main policy's chunk would lie, in half-ranges.

    python -m launch.train --config configs/confidence.py --config.run_dir=runs/NAME

Needs the policy and the draft policy, and learns on the demonstrations that were held out from both.

Variants:
    (none)          half a minute on one GPU.
    libero_SUITE    for configs/libero_SUITE.py.
    quickstart      half a minute on 2 cores without a GPU.
    tiny            seconds, to see that it works.
"""

from ml_collections import ConfigDict

from configs.suites import TRAINED

VARIANTS = TRAINED


def get_config(variant: str = "") -> ConfigDict:
    """Values of the stage; `variant` is one of `VARIANTS`."""
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(map(repr, VARIANTS))}, got {variant!r}")
    config = ConfigDict()
    config.stage = "confidence"
    config.run_dir = f"runs/{variant or 'default'}"
    config.seed = 0
    config.tensorboard = False
    # Devices along each mesh axis; -1 takes the rest.
    config.mesh = ConfigDict({"data": -1, "fsdp": 1, "tensor": 1})

    model = config.model = ConfigDict()
    model.width = 64
    # Noise on the features, in their standard deviations.
    model.feature_noise = 0.2
    # Views of each frame: after looks of so many ages, and all but the first changed as the draft policy learned.
    model.views = 8
    augmentation = model.augmentation = ConfigDict()
    augmentation.shift = 0.015
    augmentation.brightness = 0.1
    augmentation.contrast = 0.1
    augmentation.proprio_noise = 0.05
    augmentation.reworded = 0.0
    # Every how many-th of the held-out episodes it is judged on.
    model.judged_every = 5

    training = config.training = ConfigDict()
    training.steps = 2000
    training.batch_size = 256
    training.learning_rate = 0.001
    training.warmup_steps = 100
    training.weight_decay = 0.01
    training.gradient_clip = 1.0
    training.ema_decay = 0.99
    training.evaluate_every = 200
    training.checkpoint_every = 1000
    training.log_every = 50
    # Where the rows lie: host, disk (files under run_dir/rows) or device; auto takes the device if they fit there.
    training.data = "auto"
    # Optimizer steps run by one call of a compiled program; best a divisor of the two periods above.
    training.steps_per_dispatch = 50

    if variant == "quickstart":
        model.judged_every = 2
        training.steps, training.steps_per_dispatch = 600, 1
    elif variant == "tiny":
        training.steps, training.batch_size, training.warmup_steps = 20, 8, 2
        training.evaluate_every, training.checkpoint_every, training.log_every = 20, 20, 5
        training.steps_per_dispatch = 5
        training.ema_decay = 0.0
        model.width, model.views, model.judged_every = 8, 2, 2
    config.lock()
    return config

"""The early exit: a head on the first blocks of the main policy's backbone, which learns that policy's actions.

    python -m launch.train --config configs/early_exit.py --config.run_dir=runs/NAME

Needs demonstrations, the tokenizer and the policy (configs/rfsq.py, configs/policy.py), of which nothing is trained.

Variants:
    (none)          beside configs/policy.py, for a GPU.
    libero_SUITE    for configs/libero_SUITE.py.
    quickstart      beside the small policy, for 2 cores without a GPU.
    tiny            seconds on 2 cores, to see that it works.
"""

from ml_collections import ConfigDict

from configs.suites import TRAINED

VARIANTS = TRAINED


def get_config(variant: str = "") -> ConfigDict:
    """Values of the stage; `variant` is one of `VARIANTS`."""
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(map(repr, VARIANTS))}, got {variant!r}")
    is_small = variant in ("quickstart", "tiny")
    config = ConfigDict()
    config.stage = "early_exit"
    config.run_dir = f"runs/{variant or 'default'}"
    config.seed = 0
    config.tensorboard = False
    # Devices along each mesh axis; -1 takes the rest.
    config.mesh = ConfigDict({"data": -1, "fsdp": 1, "tensor": 1})

    model = config.model = ConfigDict()
    head = model.head = ConfigDict()
    # Of the main policy's backbone, after which the head reads. On a CPU its cameras take half of the time and each of
    # its six blocks a twelfth, which bounds what an early exit can save.
    head.blocks = 1 if is_small else 2
    head.width, head.hidden_features = (64, 128) if is_small else (256, 1024)
    head.action_dim = 7

    # Of what the main policy sees, its first blocks and all of them.
    augmentation = model.augmentation = ConfigDict()
    augmentation.shift = 0.03
    augmentation.brightness = 0.2
    augmentation.contrast = 0.2
    augmentation.proprio_noise = 0.1
    augmentation.reworded = 0.5
    # Rewordings of every instruction to draw from.
    model.rewordings = 512
    # Of the main policy's activations and matrix products in training; everything else is float32.
    model.compute_dtype = "float32" if is_small else "bfloat16"
    # Weight of each chunk's largest error beside its mean error.
    model.worst_weight = 0.1

    training = config.training = ConfigDict()
    training.steps = 16000
    training.batch_size = 256
    training.learning_rate = 0.001
    training.warmup_steps = 500
    training.weight_decay = 0.01
    training.gradient_clip = 1.0
    training.ema_decay = 0.999
    training.stored_dtype = "float32"
    training.evaluate_every = 4000
    # The latest state is saved every so many steps, every so many seconds, and at SIGTERM.
    training.checkpoint_every = 4000
    training.checkpoint_every_seconds = 120.0
    training.log_every = 50
    # Where the rows lie: host, disk (files under run_dir/rows) or device; auto takes the device if they fit there.
    training.data = "auto"
    # Threads that gather for host and disk.
    training.data_threads = 8
    # Optimizer steps run by one call of a compiled program, which holds as many batches of images unless they lie on
    # the device.
    training.steps_per_dispatch = 20

    if is_small:
        # For a CPU, where XLA computes a step of this size faster outside of a loop.
        training.steps_per_dispatch = 1
    if variant == "quickstart":
        training.steps, training.batch_size, training.warmup_steps, training.ema_decay = 300, 64, 50, 0.99
        training.evaluate_every, training.checkpoint_every = 150, 150
        model.rewordings = 64
    elif variant == "tiny":
        training.steps, training.batch_size, training.warmup_steps = 20, 8, 2
        training.evaluate_every, training.checkpoint_every, training.log_every = 20, 20, 5
        training.ema_decay = 0.0
        model.rewordings = 4
        head.width, head.hidden_features = 16, 32
    config.lock()
    return config

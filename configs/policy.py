"""The policy: compact backbone (two cameras, proprioception, instruction) and L1 head, by behaviour cloning.

    python -m launch.train --config configs/policy.py --config.run_dir=runs/NAME

Needs demonstrations and the tokenizer (configs/rfsq.py), whose normalisation of actions it shares.

Variants, with times on 2 cores and no GPU:
    (none)      ten tasks; meant for a GPU.
    quickstart  one task, about 5 minutes.
    tiny        seconds, to see that it works.
"""

from ml_collections import ConfigDict

VARIANTS = ("", "quickstart", "tiny")


def get_config(variant: str = "") -> ConfigDict:
    """Values of the stage; `variant` is "", "quickstart" or "tiny"."""
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(map(repr, VARIANTS))}, got {variant!r}")
    config = ConfigDict()
    config.stage = "policy"
    config.run_dir = f"runs/{variant or 'default'}"
    config.seed = 0
    config.tensorboard = False
    # Devices along each mesh axis; -1 takes the rest.
    config.mesh = ConfigDict({"data": -1, "fsdp": 1, "tensor": 1})

    backbone = ConfigDict()
    backbone.chunk_length = 8
    backbone.image_size = 64
    backbone.conv_features = (16, 32, 32)
    backbone.conv_kernels = (5, 3, 3)
    backbone.conv_strides = (2, 2, 1)
    backbone.keypoints = 32
    backbone.width = 128
    backbone.depth = 2
    backbone.heads = 4
    backbone.mlp_features = 256

    augmentation = ConfigDict()
    # Largest shift, as a fraction of the image's side.
    augmentation.shift = 0.03
    augmentation.brightness = 0.2
    augmentation.contrast = 0.2
    # In standard deviations of the robot's state.
    augmentation.proprio_noise = 0.05

    model = config.model = ConfigDict()
    model.backbone = backbone
    model.head = ConfigDict({"action_dim": 7})
    model.augmentation = augmentation
    # Every how many-th episode of a task is held out.
    model.heldout_every = 5

    training = config.training = ConfigDict()
    training.steps = 30000
    training.batch_size = 128
    training.learning_rate = 0.001
    training.warmup_steps = 500
    training.weight_decay = 0.0001
    training.gradient_clip = 1.0
    training.ema_decay = 0.999
    training.evaluate_every = 2000
    training.checkpoint_every = 2000
    training.log_every = 50
    # Where the rows lie: host, disk (files under run_dir/rows) or device; auto takes the device if they fit there.
    training.data = "auto"
    # Threads that gather for host and disk.
    training.data_threads = 8
    # Optimizer steps run by one call of a compiled program, which holds as many batches of images unless they lie on
    # the device.
    training.steps_per_dispatch = 1

    if variant == "quickstart":
        training.steps, training.batch_size, training.warmup_steps, training.ema_decay = 600, 64, 50, 0.99
        training.evaluate_every, training.checkpoint_every = 200, 200
        # On a CPU the gradients of convolutions are many times slower inside a compiled loop.
    elif variant == "tiny":
        training.steps, training.batch_size, training.warmup_steps = 20, 8, 2
        training.evaluate_every, training.checkpoint_every, training.log_every = 20, 20, 5
        training.ema_decay = 0.0
        model.heldout_every = 2
        backbone.image_size, backbone.keypoints = 32, 4
        backbone.conv_features, backbone.conv_kernels, backbone.conv_strides = (4,), (5,), (4,)
        backbone.width, backbone.depth, backbone.heads, backbone.mlp_features = 16, 1, 2, 32
    config.lock()
    return config

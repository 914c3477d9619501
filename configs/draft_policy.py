"""The cascade's draft policy: a small one that learns the main policy's actions and acts where a rule lets it.

    python -m launch.train --config configs/draft_policy.py --config.run_dir=runs/NAME

Needs demonstrations, the tokenizer and the policy (configs/rfsq.py, configs/policy.py).

Variants:
    (none)          beside configs/policy.py: a few minutes on one GPU.
    libero_SUITE    for configs/libero_SUITE.py; smaller where the main policy sees images of 64 pixels.
    quickstart      beside the small policy: a minute on 2 cores without a GPU.
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
    config.stage = "draft_policy"
    config.run_dir = f"runs/{variant or 'default'}"
    config.seed = 0
    # Folder of another run, or "pretrained/libero_spatial", to begin with its weights; empty: anew.
    config.start_from = ""
    config.tensorboard = False
    # Devices along each mesh axis; -1 takes the rest.
    config.mesh = ConfigDict({"data": -1, "fsdp": 1, "tensor": 1})

    model = config.model = ConfigDict()
    backbone = model.backbone = ConfigDict()
    backbone.chunk_length = 8
    # The main policy's takes 12 to 13 times as long on 2 CPU cores. The first convolution sees every pixel and leaves
    # a sixteenth of the places, which is as cheap as halving the frames before.
    camera = {"kind": "keypoints", "features": (16, 32, 48), "kernels": (8, 3, 3), "strides": (4, 2, 1)}
    backbone.camera = ConfigDict({**camera, "keypoints": 32})
    backbone.image_size, backbone.width, backbone.depth, backbone.mlp_features = 128, 128, 3, 512
    backbone.heads = 4
    if is_small:
        backbone.camera.features, backbone.camera.kernels, backbone.camera.strides = (8, 16, 16), (5, 3, 3), (2, 2, 1)
        backbone.image_size, backbone.width, backbone.depth, backbone.mlp_features = 32, 64, 1, 128

    # What it learns the main policy's actions on: "views", that is asked about each changed view too, or "frames", it
    # was asked about the frames as they are (its stored features), as for a large one, or one that takes other frames.
    model.taught_on = "views"
    augmentation = model.augmentation = ConfigDict()
    # Less than the main policy is trained with: there are labels for every view, and real ones are hardly changed.
    augmentation.shift = 0.015
    augmentation.brightness = 0.1
    augmentation.contrast = 0.1
    augmentation.proprio_noise = 0.05
    augmentation.reworded = 0.2
    # Rewordings of every instruction to draw from.
    model.rewordings = 512
    # Calls for which it remembers what the main policy made of its last look; 0: it knows the present frame alone.
    model.oldest_look = 7
    # Of activations and matrix products in training; everything else is float32.
    model.compute_dtype = "float32" if is_small else "bfloat16"
    # Weight of each chunk's largest error beside its mean error.
    model.worst_weight = 0.1

    training = config.training = ConfigDict()
    training.steps = 24000
    training.batch_size = 256
    training.learning_rate = 0.001
    training.warmup_steps = 500
    training.weight_decay = 0.01
    training.gradient_clip = 1.0
    training.ema_decay = 0.999
    # Half the size to ship, as the main policy is kept.
    training.stored_dtype = "float32" if is_small else "bfloat16"
    training.evaluate_every = 8000
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

    if variant.startswith("libero_") and variant != "libero_spatial":
        # The main policy sees 64 pixels there and takes less than half the time, eight times as long as this one.
        camera = {"kind": "keypoints", "features": (16, 32, 32), "kernels": (8, 3, 3), "strides": (4, 1, 1)}
        backbone.camera = ConfigDict({**camera, "keypoints": 32})
        backbone.image_size, backbone.depth = 64, 2
    if is_small:
        # On a CPU the gradients of convolutions are many times slower inside a compiled loop.
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
        model.oldest_look = 2
        backbone.camera.keypoints = 4
        backbone.camera.features, backbone.camera.kernels, backbone.camera.strides = (4,), (5,), (4,)
        backbone.image_size, backbone.width, backbone.depth, backbone.heads, backbone.mlp_features = 32, 16, 1, 2, 32
    config.lock()
    return config

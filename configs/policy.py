r"""The policy: compact backbone (two cameras, proprioception, instruction) and L1 head, by behaviour cloning.

    python -m launch.train --config configs/policy.py --config.run_dir=runs/NAME

Needs demonstrations and the tokenizer (configs/rfsq.py), whose normalisation of actions it shares.

The same stage trains policies that learn otherwise, for comparison (configs/what_tokens_buy.py). One of tokens, its
main head taken over as it is for all decoders of tokens, and a draft model for those that draft:

    python -m launch.train --config configs/policy.py --config.run_dir=runs/NAME --config.model.learns=tokens \
        --config.model.backbone.chunks=1
    python -m launch.train --config configs/main_head.py --config.run_dir=runs/NAME --config.model.of_policy=True \
        --config.model.labels=demonstrations --config.training.steps=1 --config.training.warmup_steps=0
    python -m launch.train --config configs/draft.py --config.run_dir=runs/NAME --config.model.labels=demonstrations

Variants:
    (none)          ten tasks on one GPU: 5 minutes on an H100.
    libero_SUITE    for configs/libero_SUITE.py: fewer episodes held out, 10,000 steps; 4 to 5 minutes on an H100.
                    Images of 64 pixels, but for libero_spatial.
    libero_40       for configs/libero_40.py: 20,000 steps of 512 rows, images of 64 pixels.
    quickstart      a small network and one task: 5 minutes on 2 cores without a GPU.
    tiny            seconds on 2 cores, to see that it works.
"""

from ml_collections import ConfigDict

from configs.suites import ALL, TRAINED

VARIANTS = TRAINED


def get_config(variant: str = "") -> ConfigDict:
    """Values of the stage; `variant` is one of `VARIANTS`."""
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(map(repr, VARIANTS))}, got {variant!r}")
    is_small = variant in ("quickstart", "tiny")
    config = ConfigDict()
    config.stage = "policy"
    config.run_dir = f"runs/{variant or 'default'}"
    config.seed = 0
    # Folder of another run, or "pretrained/libero_spatial", to begin with its weights; empty: anew.
    config.start_from = ""
    config.tensorboard = False
    # Devices along each mesh axis; -1 takes the rest.
    config.mesh = ConfigDict({"data": -1, "fsdp": 1, "tensor": 1})

    backbone = ConfigDict()
    backbone.chunk_length = 8
    # Chunks that are foreseen, the one to act on included: until its next look a cascade compares its draft with them.
    backbone.chunks = 1 if is_small else 4
    if is_small:
        camera = {"kind": "keypoints", "features": (16, 32, 32), "kernels": (5, 3, 3), "strides": (2, 2, 1)}
        backbone.camera = ConfigDict({**camera, "keypoints": 32})
        backbone.image_size, backbone.width, backbone.depth, backbone.mlp_features = 64, 128, 2, 256
    else:
        # Stages of half the resolution each; residual blocks of each stage.
        backbone.camera = ConfigDict({"kind": "grid", "features": (32, 64, 128, 256), "blocks": (0, 1, 1, 0)})
        # How tokens tell of which place they are: "learned", a vector a place, or "coordinates", a linear function.
        backbone.camera.places = "learned"
        backbone.image_size, backbone.width, backbone.depth, backbone.mlp_features = 128, 256, 6, 1024
        # With 2 x 64 places, the robot's state and 8 slots these are 144 tokens, of which kernels can make even tiles.
        backbone.instruction_tokens = 7
    backbone.heads = 4
    # What the network is told of the robot's state: "all", "without_position" (how the hand is turned and how far it
    # is open) or "none".
    backbone.proprio = "all"
    # Keypoints that are read from the wrist camera beside its other tokens; 0: none.
    backbone.wrist_keypoints = 0

    augmentation = ConfigDict()
    # Largest shift, as a fraction of the image's side.
    augmentation.shift = 0.03
    augmentation.brightness = 0.2
    augmentation.contrast = 0.2
    # In standard deviations of the robot's state.
    augmentation.proprio_noise = 0.05
    # Share of the rows whose state is replaced by the mean of all.
    augmentation.proprio_dropout = 0.0
    # Share of the rows whose instruction is reworded.
    augmentation.reworded = 0.8

    model = config.model = ConfigDict()
    model.backbone = backbone
    model.head = ConfigDict({"action_dim": 7})
    model.augmentation = augmentation
    # Rewordings of every instruction to draw from, and as many others to measure with.
    model.rewordings = 512
    # Of activations and matrix products in training; everything else is float32.
    model.compute_dtype = "float32" if is_small else "bfloat16"
    # Of a chunk's labels, those that can be foreseen at its first step; "all" also those that answer a disturbance
    # in between.
    model.labels = "foreseeable"
    # Weight of the error of the chunks behind the first one.
    model.outlook_weight = 0.5
    # Every how many-th episode of a task is held out.
    model.heldout_every = 5
    # "actions" by the L1 head; "two_steps": actions by a first prediction and one that refines it (MIP, arXiv
    # 2512.01809; decoder two_step_regression); "tokens" of the demonstrations, by a main head together with the
    # backbone, of one chunk (backbone.chunks=1), while the L1 head is a probe.
    model.learns = "actions"
    # Standard deviation of the noise on the label that the second step starts from, in half-ranges.
    model.two_steps = ConfigDict({"width": backbone.width, "noise": 0.1})
    # Sizes of the main head, as in configs/main_head.py, and the weight of its digits against its latents, also as
    # there: with one of 1 and these learning rates features soon tell nothing of the images, and nothing is learned.
    tokens = model.tokens = ConfigDict({"width": 128, "depth": 2, "column_features": 16})
    tokens.mode_locked = False
    tokens.digit_weight = 0.1

    training = config.training = ConfigDict()
    training.steps = 16000
    training.batch_size = 256
    training.learning_rate = 0.0006
    training.warmup_steps = 500
    training.weight_decay = 0.01
    training.gradient_clip = 1.0
    training.ema_decay = 0.999
    # What is kept as best is rounded to values of this type, which halves the compressed checkpoint.
    training.stored_dtype = "bfloat16"
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

    if variant.startswith("libero_"):
        model.heldout_every = 10
        training.steps, training.evaluate_every = 10000, 5000
    if variant.startswith("libero_") and variant != "libero_spatial":
        # A third of the tokens, and less error on held-out episodes (results/ablations/policy_image_size.md).
        backbone.image_size = 64
    if variant == ALL:
        # Four times the tasks: twice the rows a step, twice the steps.
        training.steps, training.batch_size, training.learning_rate = 20000, 512, 0.0008
    if is_small:
        # Of so few demonstrations the error is smaller with all labels.
        model.labels = "all"
        # On a CPU the gradients of convolutions are many times slower inside a compiled loop.
        training.steps_per_dispatch = 1
        training.learning_rate, training.weight_decay = 0.001, 0.0001
        training.stored_dtype = "float32"
    if variant == "quickstart":
        training.steps, training.batch_size, training.warmup_steps, training.ema_decay = 600, 64, 50, 0.99
        training.evaluate_every, training.checkpoint_every = 200, 200
        model.rewordings = 64
    elif variant == "tiny":
        training.steps, training.batch_size, training.warmup_steps = 20, 8, 2
        training.evaluate_every, training.checkpoint_every, training.log_every = 20, 20, 5
        training.ema_decay = 0.0
        model.heldout_every = 2
        model.rewordings = 4
        backbone.chunks = 2
        model.two_steps.width = tokens.width = 16
        tokens.depth, tokens.column_features = 1, 4
        backbone.camera.keypoints = 4
        backbone.camera.features, backbone.camera.kernels, backbone.camera.strides = (4,), (5,), (4,)
        backbone.image_size, backbone.width, backbone.depth, backbone.heads, backbone.mlp_features = 32, 16, 1, 2, 32
    config.lock()
    return config

"""The draft model: guesses the next 7 layers of every column in one pass.

    python -m launch.train --config configs/draft.py --config.run_dir=runs/NAME

Needs the tokenizer and the policy, whose features it reads and whose actions, tokenized, are its labels.

Variants, with times on 2 cores and no GPU:
    (none)      8000 steps; about 3 minutes for one task.
    libero_SUITE    ten tasks, for configs/libero_SUITE.py; a minute on an H100.
    quickstart  about a minute.
    tiny        seconds, to see that it works.
"""

from ml_collections import ConfigDict

from configs.suites import ALL, TRAINED

VARIANTS = TRAINED


def get_config(variant: str = "") -> ConfigDict:
    """Values of the stage; `variant` is one of `VARIANTS`."""
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(map(repr, VARIANTS))}, got {variant!r}")
    config = ConfigDict()
    config.stage = "draft"
    config.run_dir = f"runs/{variant or 'default'}"
    config.seed = 0
    # Folder of another run, or "pretrained/libero_spatial", to begin with its weights; empty: anew.
    config.start_from = ""
    config.tensorboard = False
    # Devices along each mesh axis; -1 takes the rest.
    config.mesh = ConfigDict({"data": -1, "fsdp": 1, "tensor": 1})

    model = config.model = ConfigDict()
    # Layers proposed in one pass; with 7 of 8 a round can decode everything.
    model.draft_layers = 7
    # Width and number of the residual blocks that estimate the latents.
    model.width = 128
    model.depth = 1
    # "teacher": tokens of the policy's own actions; "demonstrations": of the demonstrated ones.
    model.labels = "teacher"
    # Noise on the features, in their standard deviations; the teacher's labels follow it.
    model.feature_noise = 0.03
    # Weight of the digits' cross-entropy against the L1 distance of the latents.
    model.digit_weight = 0.1

    training = config.training = ConfigDict()
    training.steps = 8000
    training.batch_size = 64
    training.learning_rate = 0.005
    training.warmup_steps = 100
    training.weight_decay = 0.0
    training.gradient_clip = 1.0
    training.ema_decay = 0.99
    training.evaluate_every = 2000
    training.checkpoint_every = 2000
    training.log_every = 50
    # Where the rows lie: host, disk (files under run_dir/rows) or device; auto takes the device if they fit there.
    training.data = "auto"
    # Optimizer steps run by one call of a compiled program; best a divisor of the two periods above.
    training.steps_per_dispatch = 50

    if variant.startswith("libero_"):
        training.evaluate_every, training.checkpoint_every, training.log_every = 4000, 4000, 200
        training.steps_per_dispatch = 200
    if variant == ALL:
        training.steps = 16000
    if variant == "quickstart":
        training.steps, training.evaluate_every, training.checkpoint_every = 2500, 1250, 1250
        # For a CPU, where XLA computes a step of this size faster outside of a loop; on a GPU 50 is better.
        training.steps_per_dispatch = 1
    elif variant == "tiny":
        training.steps, training.batch_size, training.warmup_steps = 20, 8, 2
        training.evaluate_every, training.checkpoint_every, training.log_every = 20, 20, 5
        training.steps_per_dispatch = 5
        training.ema_decay = 0.0
        model.width = 16
        model.draft_layers = 3  # of the 4 layers of its tokenizer
    config.lock()
    return config

"""The RFSQ tokenizer: 8 layers x 7 levels, per-layer LayerNorm whose statistics become constants.

    python -m launch.train --config configs/rfsq.py --config.run_dir=runs/NAME

Needs demonstrations (launch.collect). Reports the held-out error of actions decoded from tokens alone, after each
layer, and that of the naive RFSQ; results/quickstart.json has what one task gave.

Variants, with times on 2 cores and no GPU:
    (none)      about a minute.
    quickstart  half of that.
    tiny        seconds, to see that it works.
"""

from ml_collections import ConfigDict

VARIANTS = ("", "quickstart", "tiny")


def get_config(variant: str = "") -> ConfigDict:
    """Values of the stage; `variant` is "", "quickstart" or "tiny"."""
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(map(repr, VARIANTS))}, got {variant!r}")
    config = ConfigDict()
    config.stage = "rfsq"
    config.run_dir = f"runs/{variant or 'default'}"
    config.seed = 0
    config.tensorboard = False
    # Devices along each mesh axis; -1 takes the rest.
    config.mesh = ConfigDict({"data": -1, "fsdp": 1, "tensor": 1})

    model = config.model = ConfigDict()
    model.chunk_length = 8
    model.hidden_features = 64
    model.latent_dim = 16
    model.num_layers = 8
    model.num_levels = 7
    # Outermost levels of a layer, in standard deviations of its residual.
    model.span = 2.0
    model.decay = 0.99
    # Training step from which on the statistics are constants.
    model.freeze_after = 6000
    # Floor of an action dimension's half range, in action units.
    model.smallest_half_range = 0.05
    # Every how many-th episode of a task is held out.
    model.heldout_every = 5

    training = config.training = ConfigDict()
    training.steps = 8000
    training.batch_size = 64
    training.learning_rate = 0.003
    training.warmup_steps = 100
    training.weight_decay = 0.0
    training.gradient_clip = 10.0
    training.ema_decay = 0.0
    training.evaluate_every = 2000
    training.checkpoint_every = 2000
    training.log_every = 100

    if variant == "quickstart":
        training.steps, model.freeze_after = 4000, 3000
    elif variant == "tiny":
        training.steps, training.batch_size, training.warmup_steps = 20, 8, 2
        training.evaluate_every, training.checkpoint_every, training.log_every = 20, 10, 5
        model.heldout_every = 2
        model.num_layers = 4
        model.freeze_after = 15
    config.lock()
    return config

"""The RFSQ tokenizer: 8 layers x 7 levels; tokens alone decode, for any prefix of layers.

    python -m launch.train --config configs/rfsq.py --config.run_dir=runs/NAME
    python -m launch.train --config configs/rfsq.py:staggered --config.run_dir=runs/NAME
    python -m launch.pipeline --config configs/libero_spatial.py --config.tokenizer=layernorm

Needs demonstrations (launch.collect). Reports the held-out error of actions decoded from tokens alone, after each
layer. docs/tokenizer.md says what the variants are and compares them; results/tokenizer.json has the figures.

Variants, with times on 2 cores and no GPU:
    (none), layernorm  per-layer LayerNorm whose statistics become constants; half a minute.
    learned_scale      a learned step for every digit; half a minute.
    nested             exact refinement, reflected code, precision matched to the data; half a minute.
    staggered          the nested code on copies of each action dimension, shifted against each other: nothing to
                       train, seconds. What the pipelines use.
    geometric          each layer 7 times finer (ResidualFSQ); half a minute.
    naive              the same grid in every layer, as the baseline that it is; half a minute.
    quickstart         staggered.
    libero_SUITE       staggered, for configs/libero_SUITE.py; libero_40 likewise.
    tiny               layernorm with 4 layers; seconds, to see that it works.
"""

from ml_collections import ConfigDict

from configs.suites import ALL, SUITES

_PIPELINES = ("quickstart", *SUITES, ALL)
_OTHERS = ("layernorm", "learned_scale", "nested", "staggered", "geometric", "naive", "tiny")
VARIANTS = ("", *_OTHERS, *_PIPELINES)
_STAGGERED = ("staggered", *_PIPELINES)


def get_config(variant: str = "") -> ConfigDict:
    """Values of the stage; `variant` is one of `VARIANTS`."""
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(map(repr, VARIANTS))}, got {variant!r}")
    config = ConfigDict()
    config.stage = "rfsq"
    config.run_dir = f"runs/{variant if variant in (*_PIPELINES, 'tiny') else 'default'}"
    config.seed = 0
    # Folder of another run, or "pretrained/libero_spatial", to keep its tokenizer as it is; empty: anew.
    config.start_from = ""
    config.tensorboard = False
    # Devices along each mesh axis; -1 takes the rest.
    config.mesh = ConfigDict({"data": -1, "fsdp": 1, "tensor": 1})

    model = config.model = ConfigDict()
    model.chunk_length = 8
    model.num_layers = 8
    model.num_levels = 7
    model.latent_dim = 16
    # Floor of an action dimension's half range, in action units.
    model.smallest_half_range = 0.05
    # Range that tokens cover: training, which no training action exceeds and others may (they are clipped, and metrics
    # count them), or declared, the environment's own: nothing is clipped, and narrow dimensions get coarser cells.
    model.action_range = "training"
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
    # Where the rows lie: host, disk (files under run_dir/rows) or device; auto takes the device if they fit there.
    training.data = "auto"
    # Optimizer steps run by one call of a compiled program.
    training.steps_per_dispatch = 50

    if variant.startswith("libero_"):
        model.heldout_every = 10
    has_parameters = variant not in _STAGGERED
    if has_parameters:
        model.autoencoder = ConfigDict({"kind": "mlp", "hidden_features": 64, "latent_dim": 16})
        # A linear path beside the MLP, which bounds latents by a clip instead of tanh.
        model.autoencoder.has_linear_path = variant == "nested"
    else:
        # Latents of each action dimension, gripper last.
        model.autoencoder = ConfigDict({"kind": "repetition", "copies": (3, 3, 3, 2, 2, 2, 1)})

    quantizer = model.quantizer = ConfigDict()
    if variant in ("", "layernorm", "tiny"):
        quantizer.strategy = "layernorm"
        # Outermost levels of a layer, in standard deviations of its residual.
        quantizer.span = 2.0
        quantizer.decay = 0.99
        # Training step from which on the statistics are constants.
        quantizer.freeze_after = 6000
    elif variant == "learned_scale":
        quantizer.strategy = "learned_scale"
        # Ratio of neighbouring layers' steps before training.
        quantizer.initial_ratio = 3.0
        # Weight of each layer's own relative quantization error.
        quantizer.scale_weight = 0.01
    elif variant == "nested":
        quantizer.strategy = "nested"
        # Halvings of each latent's cell behind the first layer.
        quantizer.splits = 5
    elif variant in _STAGGERED:
        quantizer.strategy = "staggered"
        quantizer.copies = model.autoencoder.copies
        # Refinements of each action dimension behind the first layer, and into how many parts each divides a cell.
        quantizer.splits = (3, 3, 3, 2, 2, 2, 0)
        quantizer.factors = (2, 2, 2, 3, 3, 3, 2)
    else:
        quantizer.strategy = variant

    if not has_parameters:
        # One step, for the loop to read the data and write the checkpoint.
        training.steps, training.warmup_steps = 1, 0
    elif variant == "tiny":
        training.steps, training.batch_size, training.warmup_steps = 20, 8, 2
        training.evaluate_every, training.checkpoint_every, training.log_every = 20, 10, 5
        training.steps_per_dispatch = 5
        model.heldout_every = 2
        model.num_layers = 4
        quantizer.freeze_after = 15
    config.lock()
    return config

r"""OpenVLA fine-tuned on demonstrations by OFT's L1 head: low-rank adapters, or all parameters.

    python -m launch.convert_openvla --source openvla-7b-oft-finetuned-libero-spatial --out runs/openvla
    python -m launch.train --config configs/openvla_finetune.py:lora --config.run_dir=runs/openvla
    python -m launch.export_finetuned --run_dir runs/openvla --out runs/openvla_finetuned

Needs a policy of launch.convert_openvla (also one with random weights) in RUN/policy, or in another run that
model.source names, and demonstrations with frames of 256 pixels in RUN/demos. The result lies in
RUN/openvla_finetune, and is written as a policy like any other by launch.export_finetuned.

Devices: --config.mesh.fsdp=N splits parameters and batch, --config.mesh.tensor=N each layer. What fits where, by
estimate: docs/openvla.md. Variants:
    lora    rank 32 beside all linear layers, as OpenVLA-OFT (arXiv 2502.19645); by estimate one GPU with 80 GiB.
            7B has not been run yet.
    full    all parameters, master weights and moments in float32; by estimate two H200 or four GPUs with 80 GiB.
    tiny    adapters at sizes for tests: minutes on 2 cores, nearly all of them compilation
            (--config.model.way=full trains all).
"""

from ml_collections import ConfigDict

VARIANTS = ("lora", "full", "tiny")


def get_config(variant: str = "lora") -> ConfigDict:
    """Values of the stage; `variant` is one of `VARIANTS`."""
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, got {variant!r}")
    is_tiny, is_full = variant == "tiny", variant == "full"
    config = ConfigDict()
    config.stage = "openvla_finetune"
    config.run_dir = "runs/tiny_openvla" if is_tiny else "runs/openvla"
    config.seed = 0
    config.tensorboard = False
    # Devices along each mesh axis; -1 takes the rest.
    config.mesh = ConfigDict({"data": -1, "fsdp": 1, "tensor": 1})
    if is_full:
        config.mesh.data, config.mesh.fsdp = 1, -1

    model = config.model = ConfigDict()
    # Run whose policy is fine-tuned; empty: run_dir's own.
    model.source = ""
    # "lora" trains adapters, L1 head and state projector; "full" all parameters.
    model.way = "full" if is_full else "lora"
    low_rank = model.low_rank = ConfigDict()
    # What is added to a layer is scaled by alpha / rank.
    low_rank.rank, low_rank.alpha = (4, 8.0) if is_tiny else (32, 16.0)
    # Of attention (qkv, out), of MLPs (gate_up and down, in the towers up and down), and of the projector.
    low_rank.layers = ("qkv", "out", "gate_up", "down", "up", "first", "second", "third")
    low_rank.parts = ("language_model", "dinov2", "siglip", "projector")
    # Of adapters between steps: "float32" or "bfloat16".
    low_rank.dtype = "float32"
    # Likewise of all else that is trained, and of the optimizer's moments; what is kept in bfloat16 is rounded up or
    # down by chance.
    model.master_dtype = "float32"
    model.moments_dtype = "float32"
    # Of activations and products of the backbone; what is not trained lies in it on the devices.
    model.compute_dtype = "float32" if is_tiny else "bfloat16"
    # For the backward pass: "all", the results of "products" with weights, or the "inputs" of blocks alone, so that
    # each block is computed once more.
    model.kept_activations = "inputs"

    # As published: the share of the image that a crop leaves somewhere, as much as evaluation keeps of the middle, and
    # the largest changes of its colours. Nothing is changed by 1 for area and 0 for the others.
    augmentation = model.augmentation = ConfigDict()
    augmentation.area = 0.9
    augmentation.brightness = 0.2
    augmentation.contrast = 0.2
    augmentation.saturation = 0.2
    augmentation.hue = 0.05
    augmentation.proprio_noise = 0.0
    augmentation.reworded = 0.0
    # Rewordings of every instruction to draw from, and as many others to measure with.
    model.rewordings = 4 if is_tiny else 64
    # Of a chunk's labels, those that can be foreseen at its first step; "all" also those that answer a disturbance.
    model.labels = "all" if is_tiny else "foreseeable"
    # Steps of held-out episodes to be judged on, at most.
    model.heldout_rows = 64 if is_tiny else 1024

    training = config.training = ConfigDict()
    training.steps = 50000
    training.batch_size = 64
    training.learning_rate = 0.00002 if is_full else 0.0005
    training.warmup_steps = 500
    training.weight_decay = 0.0
    training.gradient_clip = 1.0
    training.ema_decay = 0.0
    training.stored_dtype = "float32"
    training.evaluate_every = 5000
    # The latest state is saved every so many steps, every so many seconds, and at SIGTERM.
    training.checkpoint_every = 5000
    training.checkpoint_every_seconds = 1800.0
    training.log_every = 10
    # Where the rows lie: host, disk (files under run_dir/rows) or device.
    training.data = "disk"
    # Threads that gather for host and disk.
    training.data_threads = 8
    # Optimizer steps run by one call of a compiled program.
    training.steps_per_dispatch = 1

    if is_tiny:
        training.steps, training.batch_size, training.warmup_steps = 20, 4, 2
        training.evaluate_every, training.checkpoint_every, training.log_every = 20, 20, 5
        training.learning_rate, training.data = 0.002, "host"
    config.lock()
    return config

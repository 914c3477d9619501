r"""OpenVLA-OFT through the whole pipeline: features, tokenizer, draft model and main head on its states, evaluation.

    python -m launch.pipeline --config configs/openvla.py \
        --config.openvla.checkpoint=openvla-7b-oft-finetuned-libero-spatial
    python -m launch.pipeline --config configs/openvla.py --config.openvla.policy=runs/openvla_finetuned \
        --config.demos=runs/openvla --config.run_dir=runs/openvla_finetuned_heads    # of configs/openvla_finetune.py
    python -m launch.pipeline --config configs/openvla.py    # no checkpoint at hand: random weights
    python -m launch.pipeline --config configs/openvla.py:tiny

Demonstrations are collected with frames of 256 pixels, the policy is converted (launch.convert_openvla), its features
are computed once (launch.extract_features), the tokenizer shares the policy's range of actions, draft model, main head
and the cascade's draft policy learn on the features without the backbone, and the decoders are evaluated on the same
starts. With random weights log, summary and report say so in red beside every figure.

Hardware: a GPU with 24 GiB for 7 billion parameters in bfloat16; the features of ten tasks with 50 demonstrations
take about 30 GB. No published checkpoint has been run yet, and no time is known. Variants:
    libero_spatial  ten tasks.
    tiny            every part at sizes for tests, random weights, the point-mass simulator: on 2 cores minutes, and
                    what 4 demonstrations take (--config.demos=RUN takes those of another tiny run).
"""

from ml_collections import ConfigDict

from configs.libero_spatial import get_config as get_libero_spatial

VARIANTS = ("libero_spatial", "tiny")


def get_config(variant: str = "libero_spatial") -> ConfigDict:
    """Values of the pipeline, which are those of configs/libero_spatial.py but for what follows."""
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, got {variant!r}")
    is_tiny = variant == "tiny"
    config = get_libero_spatial(variant)
    with config.unlocked():
        config.run_dir = "runs/tiny_openvla" if is_tiny else "runs/openvla"
        config.decoders = ("speculative_greedy", "l1_regression", "autoregressive", "fixed_point", "cascade")
        # Of the cascade, calls in a row without a look, at most: neither does OpenVLA foresee more than the chunk to
        # act on, nor does the draft policy before it remember a look, which would set a limit.
        config.calibration.longest_run = 2 if is_tiny else 7
        config.budget = ""
        openvla = config.openvla = ConfigDict()
        # A published folder, OWNER/NAME on the Hugging Face Hub, or a run whose policy is taken as it is, such as
        # launch.export_finetuned writes; all three empty: random weights.
        openvla.checkpoint = ""
        openvla.hub = ""
        openvla.policy = ""
        # Of a checkpoint with a LoRA adapter, the folder of what it changes.
        openvla.base = ""
        # Dataset whose ranges hold, where the checkpoint has several, such as "libero_spatial_no_noops".
        openvla.statistics_key = ""
        # Sizes of random weights: "openvla_7b" or "tiny".
        openvla.random = "tiny" if is_tiny else "openvla_7b"
        # Of the parameters; empty: as published. Another run's policy keeps its own.
        openvla.dtype = "" if is_tiny else "bfloat16"
        # Blocks of the language model that run, the others are skipped; 0: all.
        openvla.exit_block = 0
        # Every how many-th episode of a task is held out from the heads; with another run's policy, as that was.
        openvla.heldout_every = 2 if is_tiny else 10
        # Rows a call while features are made, and devices that share them: parameters and batch, or each layer.
        openvla.batch_size = 16 if is_tiny else 64
        openvla.fsdp = 1
        openvla.tensor = 1
    return config

r"""How fast every decoder is on this machine, and why: stages, single passes and fused calls at several batch sizes.

    python -m launch.benchmark --config configs/decoding_benchmark.py
    python -m launch.benchmark --config configs/decoding_benchmark.py --config.run_dir=runs/NAME \
        --config.demos="('runs/NAME/demos/libero_spatial',)"

Writes results/decoding_DEVICE.json, and a page with the plots beside it. Nothing else should run meanwhile. PyTorch's
original is measured by tests/benchmarks/original_engine.py, which adds its rows to the file.

Variants:
    (none)    every decoder, batches of 1, 8 and 64.
    cpu       the same with fewer repeats of large batches: 40 minutes on 2 cores, with a cascade's.
    tiny      four decoders, few repeats: seconds, to see that it works.
"""

from ml_collections import ConfigDict

VARIANTS = ("", "cpu", "tiny")


def get_config(variant: str = "") -> ConfigDict:
    """Values of the benchmark; `variant` is one of `VARIANTS`."""
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(map(repr, VARIANTS))}, got {variant!r}")
    config = ConfigDict()
    # Whose checkpoints; "" for the one that ships with the project.
    config.run_dir = ""
    # Demonstrations whose frames the policy sees, HDF5 files or folders of them. () for patchwork: no robot ever saw
    # it, so rounds and acceptance say little, and a cascade always looks.
    config.demos = ()
    # So many observations at most, taken from all files alike.
    config.observations = 256
    # Where the result goes; DEVICE stands for the device's name. The page goes beside it.
    config.output = "results/decoding_DEVICE.json"
    # NAME SETTING=VALUE ... of each decoder. The loop over positions, which is how layers were decoded at first, and
    # rounds that score only what was drafted are there to compare with. 0.02 half-ranges are 1 % of a range. A cascade
    # that no calibration fitted looks as its defaults say; at a threshold of 2, the whole range, every draft acts that
    # the longest run allows.
    config.decoders = (
        "l1_regression",
        "autoregressive unrolled=false",
        "autoregressive unrolled=true",
        "speculative_greedy draft_layers=3 scores_all_layers=false unrolled_passes=0",
        "speculative_greedy draft_layers=3 unrolled_passes=3",
        "speculative_greedy draft_layers=7 unrolled_passes=0",
        "speculative_greedy draft_layers=7 unrolled_passes=2",
        "fixed_point unrolled_passes=0",
        "fixed_point unrolled_passes=2",
        "one_pass",
        "speculative_sampling draft_layers=7 unrolled_passes=2",
        "certified epsilon=0.02 draft_layers=7 unrolled_passes=2",
        "certified epsilon=0.04 draft_layers=7 unrolled_passes=2",
        "certified epsilon=0.08 draft_layers=7 unrolled_passes=1",
        "cascade rule=agreement",
        "cascade rule=confidence",
        "cascade rule=both",
        "cascade rule=confidence threshold=2.0 longest_run=7",
        "early_exit",
    )
    # What speed-ups are told against.
    config.baseline = "autoregressive unrolled=true"
    # Rows of a call, and timed turns of every stage for each.
    config.batches = (1, 8, 64)
    config.repeats = (150, 100, 60)
    # Turns before those, dropped.
    config.warm_up = 2
    # Calls of a turn, of which the first is dropped: it meets the caches as another program left them. 1 keeps it.
    config.calls_a_turn = 5

    if variant == "cpu":
        config.observations = 128
        config.repeats = (60, 15, 4)
        config.warm_up, config.calls_a_turn = 1, 4
    elif variant == "tiny":
        config.run_dir = "runs/tiny"
        config.output = "runs/tiny/decoding.json"
        config.observations = 4
        config.decoders = (
            "autoregressive unrolled=true",
            "l1_regression",
            "speculative_greedy unrolled_passes=1",
            "cascade rule=agreement",
        )
        config.batches, config.repeats, config.warm_up = (1, 2), (3, 2), 1
        config.calls_a_turn = 2
    config.lock()
    return config

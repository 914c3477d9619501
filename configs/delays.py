r"""Success over delay: executions in which time passes while the policy computes, beside one in which it does not.

    python -m launch.sweep_delays --config configs/delays.py
    python -m launch.sweep_delays --config configs/delays.py:profiles --config.run_dir=runs/NAME
    python -m launch.record_delay RUN_DIR/delays/*/* --results results/delay.json --document docs/delay.md

The third puts the rows of both together. Every cell is an evaluation (configs/libero_eval.py) in
``RUN_DIR/delays/DECODER/EXECUTION_DELAY/``; what is finished is skipped, so that the same command goes on after an
interruption. docs/delay.md says what the names mean.

Variants:
    (none)       libero_spatial, 500 evaluation states a cell, 19 cells: about three minutes each on one H200 (planned,
                 not measured).
    profiles     likewise, delays drawn from the latency profiles that ship with the project, three decoders.
    development  10 development starts a task: where the way of executing is chosen that results are told of.
    tiny         the point mass, 5 cells of 2 episodes: about a minute on 2 cores, to see that it works.
"""

from ml_collections import ConfigDict

VARIANTS = ("", "profiles", "development", "tiny")

PROFILES = ("openvla_7b_pytorch_eager", "openvla_oft_a100", "injected_cpu_times_4", "injected_cpu_times_8")


def get_config(variant: str = "") -> ConfigDict:
    """Values of the sweep; `variant` is one of `VARIANTS`."""
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(map(repr, VARIANTS))}, got {variant!r}")
    config = ConfigDict()
    # Whose checkpoints act, and where results go. Empty: the checkpoint that ships with the project, runs/pretrained.
    config.run_dir = ""
    # Folder inside run_dir for all cells, and the file of the results; the page with plots lies beside it.
    config.output = "delays"
    config.out = "results/delay.json"
    config.starts = ConfigDict()
    # "libero": the evaluation states. "libero_development": random resets, for choosing anything.
    config.starts.simulator = "libero"
    config.starts.suite = "libero_spatial"
    # Indices of the tasks; () means all of the suite.
    config.starts.tasks = ()
    config.starts.episodes_per_task = 50
    # Processes with a simulator each, of one cell; 0 means one per core.
    config.starts.workers = 0
    config.decoders = ("fixed_point",)
    # In which time passes; "blocking" is evaluated once a decoder.
    config.executions = ("hold", "async", "rtc")
    # Control steps that every call takes, or names or files of latency profiles.
    config.delays = ("0", "1", "2", "3", "4", "8")
    # Of async and rtc: a call is made when no more actions are left.
    config.actions_left = 4
    # Of rtc: layers that a call is given of what is left of the last chunk beyond the delay.
    config.coarse_layers = 3
    # Cells at the same time.
    config.parallel = 1

    if variant == "profiles":
        config.out = "runs/delay_profiles.json"
        config.decoders = ("autoregressive", "speculative_greedy", "fixed_point")
        config.delays = PROFILES
    elif variant == "development":
        config.output = "delays_development"
        config.out = "runs/delay_development.json"
        config.starts.simulator = "libero_development"
        config.starts.episodes_per_task = 10
    elif variant == "tiny":
        config.output = "delays_tiny"
        config.out = "runs/delay_tiny.json"
        config.starts.simulator = config.starts.suite = "point_mass"
        config.starts.episodes_per_task = 2
        config.starts.workers = 1
        config.executions = ("hold", "rtc")
        config.delays = ("0", "3")
        config.parallel = 2
    config.lock()
    return config

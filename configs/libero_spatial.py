r"""The published rows: all ten tasks of libero_spatial, from nothing to 50 episodes a task by four decoders.

    python -m launch.pipeline --config configs/libero_spatial.py

Hardware: two H200 and 32 cores, with ``--config.render_devices="(0,1)"``: 12 minutes to the headline's report, 3 more
for the two other full decoders, and 12 for the cascade, whose draft policy is trained and whose threshold is fitted
and checked behind them. One card with 16 cores takes about half as long again. Expect 98 to 99 % success: 491 and 493
of 500 by two policies of seed 0 (results/libero_spatial.json), 492 and 495 while demonstrations were abrupt.
Result: ``runs/libero_spatial/evaluation/report.html``, which compares the headline decoder with the others.

In pieces that a time limit ends, the same command again and again until its exit status is 0 (``timeout`` says 124
for a piece that it ended):

    timeout 590 python -m launch.pipeline --config configs/libero_spatial.py

A second seed with demonstrations of its own (``--config.demos=runs/libero_spatial`` takes the first one's), and the
figures of both:

    python -m launch.pipeline --config configs/libero_spatial.py --config.seed=1 \
        --config.run_dir=runs/libero_spatial_seed1
    python -m launch.record_suite runs/libero_spatial runs/libero_spatial_seed1 \
        --results results/libero_spatial.json --readme docs/results.md

The tokenizer of the original through the same chain, on the same demonstrations, and its figures beside the default's:

    python -m launch.pipeline --config configs/libero_spatial.py --config.run_dir=runs/libero_spatial_layernorm \
        --config.demos=runs/libero_spatial --config.tokenizer=layernorm \
        --config.decoders="('speculative_greedy','l1_regression','autoregressive','fixed_point')"
    python -m launch.record_suite runs/libero_spatial_layernorm --results results/libero_spatial_layernorm.json \
        --readme docs/results.md

The values of each stage stand in the stage's own config under the variant of the same name, for example
``configs/policy.py:libero_spatial``. The 50 evaluation states of a task are for results alone: with
``--config.until_stage=main_head`` nothing of them is run. The variant ``tiny`` makes every stage in seconds, to see
that it works.
"""

from ml_collections import ConfigDict

VARIANTS = ("libero_spatial", "tiny")


def get_config(variant: str = "libero_spatial") -> ConfigDict:
    """Values of the pipeline; `variant` is "libero_spatial" or "tiny"."""
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, got {variant!r}")
    config = ConfigDict()
    config.variant = variant
    config.run_dir = "runs/libero_spatial" if variant == "libero_spatial" else "runs/tiny_libero_spatial"
    config.seed = 0
    # Folder of another run whose demonstrations are used, and nothing else of it; empty: collect them.
    config.demos = ""
    # Variant of configs/rfsq.py, such as "layernorm"; empty: the same as of everything else.
    config.tokenizer = ""
    # Suites that the policy learns together, as configs/libero_40.py has them.
    config.suites = ("libero_spatial",)
    # Variant of their configurations of collection and evaluation, {suite} for the suite's name; empty: the same.
    config.suite_variant = ""
    # Variant of their configuration of collection alone, as in "layouts_{suite}"; empty: the same.
    config.demos_variant = ""
    # Folder of another run: its policy's mistakes are corrected by more demonstrations (configs/corrections.py), from
    # which this run's policy learns too; empty: none.
    config.corrections_of = ""
    # Folder of another run, or "pretrained/libero_spatial": this run is the next part of that one's training. It keeps
    # its tokenizer and begins with its weights, on demonstrations of its own (another seed). Empty: from nothing.
    config.start_from = ""
    # Evaluated on the same starts; the first is the headline, whose report compares it with the others.
    config.decoders = ("speculative_greedy", "l1_regression", "autoregressive", "cascade")
    # Of each of them, as in "rule=agreement tolerance=0.2"; left empty, they have their defaults.
    config.decoder_settings = ConfigDict(
        {"speculative_sampling": "", "certified": "", "cascade": "", "early_exit": ""}
    )
    # The rule of a cascade without settings of its own, and the risk that its threshold is fitted to before: the share
    # of an episode's calls at which a draft acts and lies further than epsilon half-ranges from the main policy's
    # chunk. It is fitted on so many episodes of each task, and checked on as many others.
    config.calibration = ConfigDict({"rule": "confidence", "alpha": 0.05, "epsilon": 0.1})
    config.calibration.simulator = "libero_development"
    config.calibration.episodes_per_task = 40
    # Graphics devices that collection and evaluations render on, in turn, counted from 0 as EGL does; () leaves it to
    # the renderer.
    config.render_devices = ()
    # Make this stage anew, and all that comes from it; the old output moves to RUN_DIR/replaced/. Empty: only what is
    # missing.
    config.from_stage = ""
    # The last stage to run; empty: all.
    config.until_stage = ""
    # Told beside the time taken; nothing is stopped by it.
    config.budget = "40 min on one H100"
    if variant == "tiny":
        # Of so few episodes no smaller risk can be bounded.
        config.calibration.simulator, config.calibration.episodes_per_task = "point_mass", 2
        config.calibration.alpha = 0.9
    config.lock()
    return config


def of_suite(variant: str, variants: tuple[str, ...]) -> ConfigDict:
    """The same for another suite, whose stages' configurations have the `variant`, one of `variants`."""
    if variant not in variants:
        raise ValueError(f"variant must be one of {', '.join(variants)}, got {variant!r}")
    config = get_config("tiny" if variant == "tiny" else "libero_spatial")
    with config.unlocked():
        config.variant, config.run_dir, config.budget = variant, f"runs/{variant}", ""
        config.suites = (variant,)
    return config

"""From nothing to a robot acting: demonstrations, four trainings and an evaluation of one LIBERO task.

    python -m launch.pipeline --config configs/quickstart.py

Hardware: 2 cores, no GPU. Time: at most 20 minutes. Result: ``runs/quickstart/evaluation/report.html``.
The values of each stage stand in the stage's own config under the variant of the same name, for example
``configs/policy.py:quickstart``; the variant ``tiny`` trains every stage in seconds, to see that it works.
"""

from ml_collections import ConfigDict

VARIANTS = ("quickstart", "tiny")


def get_config(variant: str = "quickstart") -> ConfigDict:
    """Values of the pipeline; `variant` is "quickstart" or "tiny"."""
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, got {variant!r}")
    config = ConfigDict()
    config.variant = variant
    config.run_dir = f"runs/{variant}"
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
    config.decoders = ("speculative_greedy",)
    # Of each of them, as in "rule=agreement tolerance=0.2"; left empty, they have their defaults.
    config.decoder_settings = ConfigDict(
        {"speculative_sampling": "", "certified": "", "cascade": "", "early_exit": ""}
    )
    # The rule of a cascade without settings of its own, and the risk that its threshold is fitted to before: the share
    # of an episode's calls at which a draft acts and lies further than epsilon half-ranges from the main policy's
    # chunk. It is fitted on so many episodes of each task, and checked on as many others.
    config.calibration = ConfigDict({"rule": "confidence", "alpha": 0.05, "epsilon": 0.1})
    config.calibration.simulator = "libero_development"
    config.calibration.episodes_per_task = 100
    # Graphics devices that collection and evaluations render on, in turn, counted from 0 as EGL does; () leaves it to
    # the renderer.
    config.render_devices = ()
    # Make this stage anew, and all that comes from it; the old output moves to RUN_DIR/replaced/. Empty: only what is
    # missing.
    config.from_stage = ""
    # The last stage to run; empty: all.
    config.until_stage = ""
    # Told beside the time taken; nothing is stopped by it.
    config.budget = "20 min on 2 cores"
    if variant == "tiny":
        # Of so few episodes no smaller risk can be bounded.
        config.calibration.simulator, config.calibration.episodes_per_task = "point_mass", 2
        config.calibration.alpha = 0.9
    config.lock()
    return config

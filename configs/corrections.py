r"""Demonstrations that correct a policy: it acts, then the expert takes over from wherever that has led (DAgger).

    python -m launch.collect --config configs/corrections.py:libero_10 --config.run_dir=runs/second \
        --config.takeover.policy_of=runs/libero_10

They lie in ``RUN_DIR/demos/SUITE_corrections/``, beside the demonstrations of the run, and its trainings learn from
both: of a correction the expert's steps alone. Starts have seeds of their own, neither those of demonstrations nor of
development. An episode that the policy has solved before the expert would take over is skipped, and listed in the
summary. As a stage of a pipeline, whose policy then learns from both:

    python -m launch.pipeline --config configs/libero_10.py --config.run_dir=runs/second \
        --config.demos=runs/libero_10 --config.corrections_of=runs/libero_10

Variants:
    libero_SUITE    25 of each of the ten tasks of a suite.
    quickstart      10 of its task.
    tiny            4 of its task, or, as tiny_libero_SUITE, of one task of that suite.
"""

from ml_collections import ConfigDict

from configs.demos import get_config as get_demos
from configs.suites import SUITES, tiny

_TINY = ("tiny", *map(tiny, SUITES))
VARIANTS = (*SUITES, "quickstart", *_TINY)


def get_config(variant: str = "libero_spatial") -> ConfigDict:
    """Values of the collection; `variant` is one of `VARIANTS`."""
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(map(repr, VARIANTS))}, got {variant!r}")
    config = get_demos(variant)
    with config.unlocked():
        if variant in SUITES:
            config.demos_per_task = 25
        elif variant == "quickstart":
            config.demos_per_task = 10
        # Most episodes of a good policy are over before the expert would take over late in them.
        config.attempts_per_demo = 20
        # The mistakes are the policy's; bursts go on disturbing the expert.
        config.noise.miss_probability = 0.0
        # Up to about the length of a demonstration: later, whatever the policy has not solved is a failure.
        config.takeover.latest = {"libero_10": 400, "libero_goal": 200}.get(config.suite, 160)
    return config

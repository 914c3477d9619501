r"""One policy for all forty tasks of LIBERO, from nothing to 50 episodes a task, and one tokenizer.

    python -m launch.pipeline --config configs/libero_40.py

Collects demonstrations of libero_spatial, _object, _goal and _10, those of configs/libero_SUITE.py with the same seed
bit for bit; trains every stage once on all of them; evaluates each suite in a folder of its own:
``runs/libero_40/evaluation_SUITE/report.html``. Stages, decoders and rules are those of configs/libero_spatial.py; the
threshold of a cascade is fitted and checked for each suite on episodes of that suite. No run of it has been made yet.

In pieces that a time limit ends, the same command again and again until its exit status is 0. Where the machine that
has the demonstrations is to be had for a while only, ``--config.until_stage=main_head`` first: what comes behind needs
the checkpoints alone. The figures of a run, a row for each suite and decoder:

    python -m launch.record_suite runs/libero_40 --suite libero_40 --results results/libero_40.json

The variant ``tiny`` makes every stage of two suites in seconds, but for its demonstrations, which take minutes.
"""

from ml_collections import ConfigDict

from configs.libero_spatial import of_suite
from configs.suites import ALL, SUITES, tiny

VARIANTS = (ALL, "tiny")


def get_config(variant: str = ALL) -> ConfigDict:
    """Values of the pipeline; `variant` is "libero_40" or "tiny"."""
    config = of_suite(variant, VARIANTS)
    with config.unlocked():
        config.suites, config.suite_variant = SUITES, "{suite}"
        config.decoders = ("speculative_greedy", "l1_regression", "cascade")
        # At least 100 episodes of each suite.
        config.calibration.episodes_per_task = 10
        if variant == "tiny":
            config.run_dir = "runs/tiny_libero_40"
            config.suites, config.suite_variant = ("libero_spatial", "libero_goal"), tiny("{suite}")
            config.calibration.episodes_per_task = 2
    return config

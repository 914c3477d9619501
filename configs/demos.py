"""Demonstrations of LIBERO tasks by the scripted expert.

    python -m launch.collect --config configs/demos.py
    python -m launch.collect --config configs/demos.py:quickstart --config.run_dir=runs/quickstart

Variants, with times on 2 cores and no GPU:
    (none)      all ten tasks of libero_spatial, 50 demonstrations each: about 3 hours.
    libero_spatial  the same 50 each, on a GPU host's 16 cores: 4 to 6 minutes.
    quickstart  one task (the bowl at the table's centre), 20 demonstrations: about 5 minutes.
    tiny        the same task, 2 demonstrations: about a minute.
With noise the expert succeeds in about 95 % of the episodes; failed seeds are skipped and listed in the summary.
"""

from ml_collections import ConfigDict

VARIANTS = ("", "libero_spatial", "quickstart", "tiny")


def get_config(variant: str = "") -> ConfigDict:
    """Values of the collection; `variant` is one of `VARIANTS`."""
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(map(repr, VARIANTS))}, got {variant!r}")
    config = ConfigDict()
    config.run_dir = f"runs/{variant or 'default'}"
    # Start of the random stream: seeds count up from seed * 1000000, so that runs with different seeds share no start.
    config.seed = 0
    config.suite = "libero_spatial"
    config.tasks = tuple(range(10))
    config.demos_per_task = 50
    # Worker processes; 0 means one per core. The demonstrations do not depend on it.
    config.workers = 0
    # Seconds without a word after which a worker counts as hung, and another takes its place.
    config.silence_limit = 300.0
    # Without images a demonstration takes 0.2 MB instead of 5 and a third of the time; `launch.render` adds them.
    config.images = True
    config.attempts_per_demo = 3
    # So that a demonstration shows how to let go: the goal often holds before the fingers open.
    config.steps_after_success = 8
    # Bursts that push the arm off its way; the label stays the expert's own action.
    config.noise = ConfigDict()
    config.noise.burst_probability = 0.06
    config.noise.shortest_burst = 4
    config.noise.longest_burst = 10
    config.noise.translation_std = 0.4
    config.noise.rotation_std = 0.1
    # That the hand opens at a step at which it carries something, once an episode.
    config.noise.drop_probability = 0.0
    # That the hand is pulled up when it closes for the first time, so that it misses.
    config.noise.miss_probability = 0.25

    if variant == "libero_spatial":
        config.demos_per_task = 50
    elif variant in ("quickstart", "tiny"):
        # Too few demonstrations to learn from some of them what to do after a miss.
        config.noise.miss_probability = 0.0
        config.tasks = (2,)
        config.demos_per_task = 20 if variant == "quickstart" else 2
    config.lock()
    return config

"""How often the scripted expert succeeds in LIBERO.

    python -m launch.measure_experts --config configs/experts.py

Variants, with times on 16 cores:
    (none)        20 random resets of each of the 40 tasks, undisturbed and abrupt: about 7 minutes.
    noisy         the same with the disturbances of configs/demos.py.
    libero_SUITE  one suite as configs/demos.py:libero_SUITE collects it: smooth, disturbed, misses included.
    diverse       libero_spatial as configs/demos.py:diverse does, every episode in a style of its own.
    layouts, layouts_libero_SUITE  as configs/demos.py does, every episode in a layout and with looks of its own.
    tiny          2 of each task of libero_spatial.
"""

from ml_collections import ConfigDict

from configs import demos
from configs.suites import LAYOUTS

COLLECTED = ("libero_spatial", "libero_object", "libero_goal", "libero_10", "diverse", *LAYOUTS)
VARIANTS = ("", "noisy", *COLLECTED, "tiny")


def get_config(variant: str = "") -> ConfigDict:
    """Values of the measurement; `variant` is one of `VARIANTS`."""
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(map(repr, VARIANTS))}, got {variant!r}")
    collected = demos.get_config(variant if variant in COLLECTED else "")
    config = ConfigDict()
    config.out = f"results/experts_{variant}.json" if variant else "results/experts.json"
    config.suites = ("libero_spatial", "libero_object", "libero_goal", "libero_10")
    config.attempts = 20
    # Task i has the seeds from first_seed + 1000 i on. Nothing of the expert was developed on them.
    config.first_seed = 700_000_000
    # Worker processes; 0 means one per core.
    config.workers = 0
    # What disturbs and shapes an episode, as in the collection.
    config.noise, config.style, config.motion = collected.noise, collected.style, collected.motion
    config.layout, config.looks = collected.layout, collected.looks
    if variant in COLLECTED:
        config.suites = (collected.suite,)
        config.layout.probability = float(config.layout.probability > 0)
        config.looks.probability = float(config.looks.probability > 0)
    else:
        config.noise.miss_probability = 0.0
        if variant != "noisy":
            config.noise.burst_probability = 0.0
    if variant == "tiny":
        config.out = "runs/tiny/experts.json"
        config.suites = ("libero_spatial",)
        config.attempts = 2
    config.lock()
    return config

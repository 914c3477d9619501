"""How often the scripted expert succeeds in LIBERO.

    python -m launch.measure_experts --config configs/experts.py

Variants, with times on 16 cores:
    (none)  20 random resets of each of the 40 tasks: about 7 minutes.
    noisy   the same with the disturbances of configs/demos.py.
    demos   libero_spatial alone, as configs/demos.py:libero_spatial collects it: smooth, disturbed, misses included.
    diverse the same, every episode in a style of its own, as configs/demos.py:diverse draws them.
    tiny    2 of each task of libero_spatial.
"""

from ml_collections import ConfigDict

VARIANTS = ("", "noisy", "demos", "diverse", "tiny")


def get_config(variant: str = "") -> ConfigDict:
    """Values of the measurement; `variant` is one of `VARIANTS`."""
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(map(repr, VARIANTS))}, got {variant!r}")
    config = ConfigDict()
    config.out = "results/experts.json"
    config.suites = ("libero_spatial", "libero_object", "libero_goal", "libero_10")
    config.attempts = 20
    # Task i has the seeds from first_seed + 1000 i on. Nothing of the expert was developed on them.
    config.first_seed = 700_000_000
    # Worker processes; 0 means one per core.
    config.workers = 0
    config.noise = ConfigDict()
    config.noise.burst_probability = 0.0
    config.noise.shortest_burst = 4
    config.noise.longest_burst = 10
    config.noise.translation_std = 0.4
    config.noise.rotation_std = 0.1
    config.noise.miss_probability = 0.0
    config.style = ConfigDict()
    config.style.sides = ()
    config.style.side_spread = 0.0
    config.style.around_probability = 0.0
    config.style.smallest_offset, config.style.largest_offset = 0.0, 0.0
    config.style.highest_rise = 0.0
    config.style.slowest = 1.0
    config.style.shuffle_probability = 0.0
    config.motion = ConfigDict({"acceleration": 2.0, "braking": 2.0})
    if variant == "noisy":
        config.out = "results/experts_noisy.json"
        config.noise.burst_probability = 0.06
    elif variant in ("demos", "diverse"):
        config.out = f"results/experts_{variant}.json"
        config.suites = ("libero_spatial",)
        config.noise.burst_probability, config.noise.miss_probability = 0.06, 0.25
        config.motion.acceleration, config.motion.braking = 0.1, 0.2
        if variant == "diverse":
            config.style.sides, config.style.side_spread = (-90.0, 90.0, 180.0), 15.0
            config.style.around_probability = 0.67
            config.style.smallest_offset, config.style.largest_offset = 0.08, 0.16
            config.style.highest_rise = 0.08
            config.style.slowest, config.style.shuffle_probability = 0.75, 0.5
    elif variant == "tiny":
        config.out = "runs/tiny/experts.json"
        config.suites = ("libero_spatial",)
        config.attempts = 2
    config.lock()
    return config

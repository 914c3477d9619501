r"""Ablations of the policy: one change at a time, judged by held-out episodes and by development episodes.

    python -m launch.ablate --config configs/ablations.py --config.run_dir=runs/NAME
    python -m launch.ablate --config configs/ablations.py --config.run_dir=runs/NAME --config.only=base,no_shift

Needs the demonstrations and the tokenizer of the run. The evaluation states are not used: what is chosen here starts
from random resets. On one GPU a variant takes its training; evaluations run meanwhile.

Variants:
    (none)  ten tasks with 10 episodes each.
    data    the same network on other demonstrations, or with chunks of another length, 20 episodes a task. Other runs
            make what these policies learn from, as many demonstrations from the same seed as the run has; what is not
            there can be left out by ``--config.only``:
                python -m launch.collect --config configs/demos.py --config.run_dir=runs/no_bursts \
                    --config.noise.burst_probability=0.0
                python -m launch.collect --config configs/demos.py --config.run_dir=runs/drops \
                    --config.noise.drop_probability=0.015
                python -m launch.collect --config configs/demos.py --config.run_dir=runs/no_misses \
                    --config.noise.miss_probability=0.0
                python -m launch.train --config configs/rfsq.py:libero_spatial --config.run_dir=runs/chunks_of_4 \
                    --config.model.chunk_length=4       # with a link to the run's demos; likewise 16
    places  where a policy's knowledge of places lies: what it is told of the robot's state, and how it reads the
            frames. On demonstrations in layouts, judged in layouts that no training has, and in the tasks' own; 20
            episodes a task of each:
                python -m launch.pipeline --config configs/libero_spatial.py --config.run_dir=runs/layouts \
                    --config.demos_variant=layouts --config.until_stage=rfsq
                python -m launch.ablate --config configs/ablations.py:places
    tiny    two variants of a tiny policy, in the point-mass simulator: seconds, to see that it works.
    tiny_places     those of places that a tiny policy has, one episode of one task each: minutes.
"""

from ml_collections import ConfigDict

VARIANTS = ("", "data", "places", "tiny", "tiny_places")

POLICIES: dict[str, dict[str, object]] = {
    "base": {},
    "no_shift": {"model.augmentation.shift": 0.0},
    "more_shift": {"model.augmentation.shift": 0.06},
    "no_colour": {"model.augmentation.brightness": 0.0, "model.augmentation.contrast": 0.0},
    "no_proprio_noise": {"model.augmentation.proprio_noise": 0.0},
    "more_proprio_noise": {"model.augmentation.proprio_noise": 0.2},
    "not_reworded": {"model.augmentation.reworded": 0.0},
    "all_labels": {"model.labels": "all"},
    "small_image": {"model.backbone.image_size": 64},
    "no_blocks": {"model.backbone.camera.blocks": (0, 0, 0, 0)},
    "shallow": {"model.backbone.depth": 3},
    "half_rate": {"training.learning_rate": 0.0003},
    "double_rate": {"training.learning_rate": 0.0012},
    "float32": {"model.compute_dtype": "float32"},
}
"""What each policy changes in configs/policy.py."""

DATA: dict[str, dict[str, object]] = {
    "base": {},
    "no_bursts": {"demos": "runs/no_bursts"},
    "drops": {"demos": "runs/drops"},
    "no_misses": {"demos": "runs/no_misses"},
    "chunks_of_4": {"rfsq": "runs/chunks_of_4", "model.backbone.chunk_length": 4},
    "chunks_of_16": {"rfsq": "runs/chunks_of_16", "model.backbone.chunk_length": 16},
}
"""What each policy learns from: the run whose demonstrations or tokenizer it takes, and what has to fit to them."""

PLACES: dict[str, dict[str, object]] = {
    "base": {},
    "without_position": {"model.backbone.proprio": "without_position"},
    "no_state": {"model.backbone.proprio": "none"},
    "state_dropout": {"model.augmentation.proprio_dropout": 0.5},
    "much_proprio_noise": {"model.augmentation.proprio_noise": 0.5},
    "wrist_keypoints": {"model.backbone.wrist_keypoints": 32},
    "coordinates": {"model.backbone.camera.places": "coordinates"},
    "more_shift": {"model.augmentation.shift": 0.1},
    "relative": {
        "model.backbone.proprio": "without_position",
        "model.backbone.wrist_keypoints": 32,
        "model.backbone.camera.places": "coordinates",
    },
}
"""What each policy can know of absolute places, by the robot's state and by the frames, as changes likewise."""

_OF_ANY_CAMERA = ("base", "without_position", "no_state", "state_dropout", "wrist_keypoints")


def get_config(variant: str = "") -> ConfigDict:
    """Values of the ablations; `variant` is one of `VARIANTS`."""
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(map(repr, VARIANTS))}, got {variant!r}")
    config = ConfigDict()
    # Its demonstrations and tokenizer are used; the policies go to RUN_DIR/ablations/POLICY/seed_SEED/.
    config.run_dir = "runs/libero_spatial"
    # The results; a table lies beside it, with the ending .md.
    config.out = "results/ablations/policy.json"
    # Variant of configs/policy.py that is changed: the published one.
    config.policy = "libero_spatial"
    # What each policy changes there, as KEY=VALUE, and the one that the others are compared with. demos=RUN_DIR and
    # rfsq=RUN_DIR take those of another run.
    config.overrides = ConfigDict()
    policies = {"data": DATA, "places": PLACES, "tiny_places": PLACES}.get(variant, POLICIES)
    # A tiny policy has another camera.
    tiny = {"tiny": ("base", "no_colour", "no_shift"), "tiny_places": _OF_ANY_CAMERA}
    names = tiny.get(variant, tuple(policies))
    for name, changes in ((name, policies[name]) for name in names):
        config.overrides[name] = tuple(f"{key}={value}" for key, value in changes.items())
    config.base = "base"
    # Names of the policies to run, separated by commas; empty means all. Results list whatever is complete.
    config.only = ""
    config.seeds = (0,)
    # Optimizer steps of all policies; 0 leaves it to their configuration.
    config.steps = 0
    # Only train, and judge by held-out episodes.
    config.heldout_only = False
    # Evaluations that run at the same time, beside a training.
    config.parallel_evaluations = 1

    evaluation = config.evaluation = ConfigDict()
    # "libero_development", "libero_layouts", "libero_looks" or "point_mass".
    evaluation.simulator = "libero_development"
    evaluation.suite = "libero_spatial"
    # Indices of the tasks; () means all of the suite.
    evaluation.tasks = ()
    evaluation.episodes_per_task = 10
    # Processes with a simulator each, of one evaluation; 0 means one per core.
    evaluation.workers = 0
    # Simulators in which all are judged likewise, beside that one.
    config.further_simulators = ()

    if variant == "data":
        config.out = "results/ablations/data.json"
        evaluation.episodes_per_task = 20
    if variant in ("places", "tiny_places"):
        config.run_dir = "runs/layouts"
        config.out = "results/ablations/places.json"
        evaluation.simulator, config.further_simulators = "libero_layouts", ("libero_development",)
        evaluation.episodes_per_task = 20
    if variant in tiny:
        config.run_dir = "runs/tiny"
        config.out = f"runs/tiny/{'ablations' if variant == 'tiny' else 'places'}.json"
        config.policy = "tiny"
        evaluation.workers = 1
    if variant == "tiny_places":
        evaluation.tasks, evaluation.episodes_per_task = (2,), 1
    if variant == "tiny":
        config.only = "base,no_shift"
        evaluation.simulator = evaluation.suite = "point_mass"
        evaluation.episodes_per_task = 2
    config.lock()
    return config

r"""What tokens buy: arms with and without tokens on the same demonstrations, backbone, data, steps, seeds and starts.

Demonstrations that do the same thing in several ways, of two task sets; then all trainings and evaluations; then the
table in the document:

    python -m launch.collect --config configs/demos.py:diverse --config.run_dir=runs/diverse_spatial \
        --config.tasks="(0,1,2,3,4)"
    python -m launch.collect --config configs/demos.py:diverse --config.run_dir=runs/diverse_object \
        --config.suite=libero_object --config.tasks="(0,1,2,3,4)"
    python -m launch.what_tokens_buy --config configs/what_tokens_buy.py
    python -m launch.record_what_tokens_buy --results results/what_tokens_buy.json --document docs/decoding.md

The same command goes on after an interruption. Other task sets: ``--config.sets.first.suite=libero_goal`` and so on;
a part of the arms: ``--config.only=l1_regression,one_pass``. Trained on two cards, a set on each, and evaluated on
another machine, to which the runs are copied but for demonstrations and rows:

    CUDA_VISIBLE_DEVICES=0 python -m launch.what_tokens_buy --config configs/what_tokens_buy.py \
        --config.only_sets=first --config.parallel_evaluations=0 --config.out=runs/first.json
    CUDA_VISIBLE_DEVICES=1 python -m launch.what_tokens_buy --config configs/what_tokens_buy.py \
        --config.only_sets=second --config.parallel_evaluations=0 --config.out=runs/second.json
    python -m launch.what_tokens_buy --config configs/what_tokens_buy.py --config.parallel_evaluations=1

Variants:
    (none)  two sets of five tasks, eight arms of 200 development starts each: about 25 minutes on one H200 and 16
            cores after the collections (planned, not measured).
    tiny    the point mass: a minute or two on 2 cores, on demonstrations in runs/tiny, to see that it works.
"""

from ml_collections import ConfigDict

VARIANTS = ("", "tiny")

_SAMPLING = {"decoder": "speculative_sampling", "settings": "temperature=1.0"}

_TWICE = {"settings_tried": 2}
"""Of what learns tokens: with ``tokens.digit_weight=1`` it had not learned to look at the images."""

_OF_POLICY = ("model.of_policy=True", "model.labels=demonstrations", "training.steps=1", "training.warmup_steps=0")
"""The main head that was trained with the policy, taken over."""

BRANCHES: dict[str, dict[str, tuple[str, ...]]] = {
    # Backbone and L1 teacher; heads on its features, which name the tokens of its own actions.
    "policy": {"policy": (), "draft": (), "main_head": ()},
    "two_step": {"policy": ("model.learns=two_steps",)},
    # Backbone and main head together, on the demonstrations' tokens.
    "token_policy": {
        "policy": ("model.learns=tokens",),
        "draft": ("model.labels=demonstrations",),
        "main_head": _OF_POLICY,
    },
    "mode_locked": {"policy": ("model.learns=tokens", "model.tokens.mode_locked=True"), "main_head": _OF_POLICY},
}
"""What each branch trains, and what it changes in the stage's configuration."""

ARMS: dict[str, dict[str, str | int]] = {
    "l1_regression": {"branch": "policy", "decoder": "l1_regression", "settings": ""},
    "two_step_regression": {"branch": "two_step", "decoder": "two_step_regression", "settings": ""},
    "one_pass": {"branch": "policy", "decoder": "one_pass", "settings": ""},
    "autoregressive": {"branch": "policy", "decoder": "autoregressive", "settings": ""},
    "sampling": {"branch": "policy", **_SAMPLING},
    "token_policy": {"branch": "token_policy", "decoder": "autoregressive", "settings": "", **_TWICE},
    "token_policy_fixed_point": {"branch": "token_policy", "decoder": "fixed_point", "settings": "", **_TWICE},
    "token_policy_sampling": {"branch": "token_policy", **_SAMPLING, **_TWICE},
    "mode_locked": {"branch": "mode_locked", "decoder": "fixed_point", "settings": "", **_TWICE},
}
"""Branch, decoder and its settings of each arm, and how many settings of it were tried where it was not one."""


def get_config(variant: str = "") -> ConfigDict:
    """Values of the comparison; `variant` is "" or "tiny"."""
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(map(repr, VARIANTS))}, got {variant!r}")
    config = ConfigDict()
    config.out = "results/what_tokens_buy.json"
    # Demonstrations, and the tasks that what is learned from them is judged on.
    config.sets = ConfigDict()
    for name, run, suite in (("first", "spatial", "libero_spatial"), ("second", "object", "libero_object")):
        tasks = {"run_dir": f"runs/diverse_{run}", "suite": suite, "tasks": (0, 1, 2, 3, 4), "episodes_per_task": 40}
        config.sets[name] = ConfigDict(tasks)
    # Variant of every stage's configuration, and what all branches change there, as KEY=VALUE.
    config.variant = "libero_spatial"
    config.changes = ConfigDict()
    # The chunks behind the one to act on are of use to a cascade alone.
    config.changes.policy = ("model.backbone.chunks=1",)
    # Optimizer steps by stage; without, the configuration's.
    config.steps = ConfigDict({"policy": 6000, "draft": 4000, "main_head": 4000})
    config.branches = ConfigDict(BRANCHES)
    config.arms = ConfigDict(ARMS)
    # The arm that the others are compared with.
    config.base = "l1_regression"
    # Names of the arms to run, in the table's order, separated by commas; empty means all. token_policy_fixed_point
    # acts as token_policy does, up to near-ties.
    config.only = ",".join(name for name in ARMS if name != "token_policy_fixed_point")
    # Likewise of the sets.
    config.only_sets = ""
    config.seeds = (0,)
    config.simulator = "libero_development"
    # Branches that are trained at the same time, on one card.
    config.parallel_trainings = 3
    # Arms that are evaluated at the same time, beside them (0: none), and simulators of each; 0 means one per core.
    # Three at a time keep 16 cores busy while one starts and another ends.
    config.parallel_evaluations = 3
    config.workers = 6

    if variant == "tiny":
        config.out = "runs/tiny/what_tokens_buy.json"
        tasks = {"run_dir": "runs/tiny", "suite": "point_mass", "tasks": (), "episodes_per_task": 2}
        config.sets = ConfigDict({"point_mass": tasks})
        config.variant = "tiny"
        config.steps = ConfigDict()
        config.simulator = "point_mass"
        config.parallel_trainings, config.parallel_evaluations, config.workers = 2, 1, 1
    config.lock()
    return config

"""Evaluation of a trained policy in LIBERO, by OpenVLA-OFT's protocol.

    python -m launch.evaluate --config configs/libero_eval.py --config.run_dir=runs/NAME
    python -m launch.evaluate --config configs/libero_eval.py:pretrained

Needs the four trained stages of the run folder; without one, the checkpoint that ships with the project acts. Results
are in ``RUN_DIR/evaluation/`` (``runs/pretrained/evaluation/``): ``summary.json``, ``report.html``, ``videos/``, and
every episode in ``episodes.jsonl``.

Variants, with times on 2 cores and no GPU:
    (none)      libero_spatial, ten tasks with 50 episodes each: 500 episodes, 2 to 3 hours.
    pretrained  2 filmed episodes of one task from random resets, by the shipped checkpoint: a minute.
    libero_SUITE  500 episodes of libero_spatial, _object, _goal or _10, one of each task filmed; of the first in 3
                minutes on an H100 and 16 cores.
    quickstart  one task (the bowl at the table's centre), its first 10 episodes, all filmed: 3 to 5 minutes.
    tiny        2 episodes in the point-mass simulator: seconds, to see that everything works; tiny_libero_SUITE
                the same, for pipelines of several suites.
"""

from ml_collections import ConfigDict

from configs.suites import SUITES, tiny

_TINY = ("tiny", *map(tiny, SUITES))
VARIANTS = ("", "pretrained", *SUITES, "quickstart", *_TINY)


def get_config(variant: str = "") -> ConfigDict:
    """Values of the evaluation; `variant` is one of `VARIANTS`."""
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(map(repr, VARIANTS))}, got {variant!r}")
    config = ConfigDict()
    # Whose checkpoints act, and where results go. Empty: the checkpoint that ships with the project, runs/pretrained.
    config.run_dir = "" if variant in ("", "pretrained") else f"runs/{variant}"
    # Folder inside run_dir. One folder holds one decoder and one set of checkpoints.
    config.output = "evaluation"
    # Recorded with every episode. Greedy decoders and the evaluation states do not depend on it, perturbations do.
    config.seed = 7
    # "libero": the 50 evaluation states of each task, for results alone. "libero_development": random resets, for
    # choosing anything; "libero_layouts": the same, things laid out as configs/demos.py:layouts does, some of other
    # sizes or others of their kind; "libero_looks": with its looks. "point_mass": a toy.
    config.simulator = "libero"
    config.suite = "libero_spatial"
    # Indices of the tasks; () means all of the suite.
    config.tasks = ()
    config.episodes_per_task = 50
    # Number of each task's first episode: other ones than before, of random resets.
    config.first_episode = 0
    # "l1_regression", "two_step_regression", "autoregressive", "speculative_greedy", "fixed_point", "one_pass",
    # "speculative_sampling", "certified", "cascade" or "early_exit".
    config.decoder = "speculative_greedy"
    # Of the decoder, as in "rule=agreement tolerance=0.2"; left out, they have their defaults.
    config.decoder_settings = ""
    # Of a cascade: a calibration of the run (launch.calibrate) that gives its rule and threshold, such as
    # "confidence_alpha0.05_epsilon0.1".
    config.calibration = ""
    # What happens while the policy computes (docs/delay.md). "blocking": the clock stands still. "hold": the robot
    # holds still. "async": it goes on with what is left of the last chunk. "rtc": likewise, and the policy is told.
    config.execution = "blocking"
    # How long a call takes, where time passes: a number of control steps of 50 ms, "measured", a latency profile that
    # ships with the project, such as "openvla_oft_a100", or FILE.json.
    config.delay = ""
    # Of async and rtc: a call is made when no more actions are left.
    config.actions_left = 4
    # Of rtc: layers that a call is given of what is left of the last chunk beyond the delay.
    config.coarse_layers = 3
    # What is perturbed, by LIBERO-Plus (docs/data_and_evaluation.md): "camera", "robot_start" or "noise", each also
    # with a level from 1 to 5 behind it, as in "camera_3"; "" is none. Seed and task say which case an episode has.
    config.perturbation = ""
    # Processes with a simulator each; 0 means one per core. The results do not depend on it.
    config.workers = 0
    # Seconds without a word after which a worker counts as hung, and another takes its place.
    config.silence_limit = 300.0
    # Graphics devices that workers render on, in turn; () leaves it to the renderer. They are counted from 0 as EGL
    # does, whatever CUDA_VISIBLE_DEVICES says: that is for the policy alone.
    config.render_devices = ()
    # Rows of one call of the policy, which serves all workers; 0 means 1 on a CPU and 32 elsewhere. Part of the
    # evaluation's identity, since another shape may round otherwise.
    config.policy_batch = 0
    # Folders inside run_dir of other evaluations of the same starts, for the report's paired comparison.
    config.compare_with = ()
    # "PART/PARTS": the part of the episodes that this host runs; `python -m launch.merge_evaluations` unites them.
    config.shard = "0/1"
    # An episode that crashes is run again; after so many crashes the evaluation ends with an error.
    config.max_attempts = 3
    config.video = ConfigDict()
    # The first so many episodes of every task are filmed, with a frame every `stride` steps: a frame costs 0.17 s
    # on a CPU, but those at multiples of 8 steps are rendered for the policy anyway.
    config.video.per_task = 3
    config.video.stride = 4
    # Timed calls of every stage; 0 leaves latency out.
    config.latency_repeats = 100
    # Somebody else's policy in place of a checkpoint: ws://HOST:PORT of a server, or the name of an installed one
    # (docs/serving.md). Without a run_dir, results are in runs/policies/.
    config.policy = ""
    # "openpi" or "harness" (vla-evaluation-harness).
    config.policy_protocol = "openpi"
    # Seconds within which the server must answer; its first call may compile.
    config.policy_reply_limit = 300.0
    config.conventions = ConfigDict()
    # What the server takes and gives. 0, -1 and "" leave it to what the server tells, else to what openpi's or the
    # harness's LIBERO does: frames of 224 or 256 pixels, turned by 180 degrees; 5 actions of a chunk, or 1.
    config.conventions.image_size = 0
    config.conventions.image_rotation = -1  # 0 or 180
    # "position3_axisangle3_fingers2", "position3_shortestaxisangle3_fingers2" (the angle at most pi) or "none".
    config.conventions.state_layout = ""
    # "close_positive" (-1 opens), "close_negative", "close_01" (0 opens) or "open_01".
    config.conventions.gripper = ""
    config.conventions.chunk_length = 0
    config.conventions.actions_executed = 0

    if variant == "pretrained":
        config.simulator = "libero_development"
        config.tasks = (2,)
        config.episodes_per_task = 2
        config.video.per_task = 2
        config.latency_repeats = 20
    elif variant.startswith("libero_"):
        config.suite = variant
        config.video.per_task = 1
    elif variant == "quickstart":
        config.tasks = (2,)
        config.episodes_per_task = 10
        config.video.per_task = 10
    elif variant in _TINY:
        config.simulator = "point_mass"
        config.suite = "point_mass"
        config.episodes_per_task = 2
        config.video.per_task = 1
        config.latency_repeats = 5
    config.lock()
    return config

"""Demonstrations of LIBERO tasks by the scripted expert.

    python -m launch.collect --config configs/demos.py
    python -m launch.collect --config configs/demos.py:quickstart --config.run_dir=runs/quickstart

Variants, with times on 2 cores and no GPU:
    (none)      all ten tasks of libero_spatial, 50 demonstrations each: about 3 hours.
    diverse     the same 50 each, every episode in a style of its own: from which side things are grasped, over or
                around what lies between, and how fast, is drawn by the seed.
    layouts     libero_spatial as below, but four episodes in five in a layout that the seed draws: things exchanged,
                put anywhere, taken away or added from other scenes, fixtures moved; and, drawn apart, four in five
                with looks of their own: colours, textures, light, cameras, posture of the arm; and in a run and task
                some things of other sizes, or others of the same kind. layouts_libero_SUITE: another suite.
    libero_SUITE  50 of each of the ten tasks of libero_spatial, _object, _goal or _10; of the first 4 to 6 minutes on
                a GPU host's 16 cores.
    quickstart  one task (the bowl at the table's centre), 20 demonstrations: about 10 minutes.
    tiny        the same task, 4 demonstrations: two minutes. tiny_libero_SUITE: one task of that suite, likewise.
    tiny_layouts  the same task, 4 demonstrations, each in a layout and with looks of its own.
With noise the expert succeeds in 86 % of the episodes of libero_spatial where motions are smooth, else in 95 %; failed
seeds are skipped and listed in the summary.
"""

from ml_collections import ConfigDict

from configs.suites import LAYOUTS, SUITES, tiny

_TINY = tuple(map(tiny, SUITES))
_TINY_LAYOUTS = tiny("layouts")
VARIANTS = ("", *SUITES, "diverse", *LAYOUTS, "quickstart", "tiny", _TINY_LAYOUTS, *_TINY)


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
    # Graphics devices that workers render on, in turn; () leaves it to the renderer. They are counted from 0 as EGL
    # does, whatever CUDA_VISIBLE_DEVICES says.
    config.render_devices = ()
    # "PART/PARTS": the part of the tasks that this host records. The same command without it then finds them all, and
    # writes what is written once: the page, and that the collection is complete.
    config.shard = "0/1"
    # Without images a demonstration takes 0.2 MB instead of 5 and a third of the time; `launch.render` adds them.
    config.images = True
    # Pixels a side of the frames; 256 for a policy that takes such (configs/openvla.py), four times as large.
    config.image_size = 128
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
    # Largest change of the hand's motion from one action to the next, when it speeds up and when it brakes; 2: any.
    config.motion = ConfigDict({"acceleration": 2.0, "braking": 2.0})
    # What of the way in which an episode is done is drawn at random; here nothing. Same seeds, same starts and bursts.
    config.style = ConfigDict()
    # Directions from an object's middle in which it is grasped, degrees: 90 is left, -90 right, 180 the robot's side.
    config.style.sides = ()
    config.style.side_spread = 0.0
    # That a way goes around, left or right, and how far it bows out (metres); else it goes over.
    config.style.around_probability = 0.0
    config.style.smallest_offset = 0.0
    config.style.largest_offset = 0.0
    # How much higher than necessary ways may be (metres).
    config.style.highest_rise = 0.0
    # Lowest speed, as a share of the ordinary one.
    config.style.slowest = 1.0
    # That goals which do not depend on each other are taken in random order.
    config.style.shuffle_probability = 0.0
    # What of where things are is drawn at random; here nothing, every start is the task's own.
    config.layout = ConfigDict()
    # That an episode begins in a layout of its own.
    config.layout.probability = 0.0
    # Where two things look like the one meant (libero_spatial's bowls), how often, relative to each other: it keeps
    # its place; it moves together with the landmarks of the words; the other one is taken away.
    config.layout.kept_weight, config.layout.together_weight, config.layout.alone_weight = 1.0, 1.0, 1.0
    # That things exchange their places, or one takes a level place on a fixture, and how many such exchanges at most.
    config.layout.exchange_probability, config.layout.most_exchanges = 0.0, 1
    # How far along each axis they then stand at most from the place that they took (metres).
    config.layout.exchange_shift = 0.0
    # Of each thing, that it is put anywhere within reach; that this is on a fixture or a flat thing; how far it, or
    # what was exchanged, is turned (degrees).
    config.layout.anywhere_probability, config.layout.raised_probability = 0.0, 0.0
    config.layout.largest_turn = 0.0
    # Of each fixture, that it is moved, how far along each axis (metres), and how far it is turned (degrees).
    config.layout.fixture_probability, config.layout.fixture_shift, config.layout.fixture_turn = 0.0, 0.0, 0.0
    # Of each thing that neither goal nor words need, that it is taken away.
    config.layout.removal_probability = 0.0
    # Things of other scenes that are compiled into each task's scene, and that each is put anywhere.
    config.layout.strangers, config.layout.stranger_probability = 0, 0.0
    # Metres: left around what is moved; within which a thing counts as next to another; distances from the robot's
    # foot at which things are put; how far to either side.
    config.layout.gap, config.layout.apart = 0.008, 0.16
    config.layout.nearest, config.layout.farthest, config.layout.widest = 0.3, 0.85, 0.36
    # Layouts drawn for an episode before it is given up, and counted as a failure.
    config.layout.most_draws = 40
    # What of how things look is drawn at random; here nothing, and every pixel is the task's own.
    config.looks = ConfigDict()
    # That an episode has looks of its own.
    config.looks.probability = 0.0
    # Of each class of things, that it is recoloured: by which angle hues are turned (degrees), by which share it gets
    # brighter or darker, and how much of a colour is mixed in, at most.
    config.looks.recolour_probability, config.looks.hue = 0.0, 0.0
    config.looks.gain, config.looks.most_paint = 0.0, 0.0
    # Of table, floor and walls each, that they are recoloured likewise; that they then get another texture.
    config.looks.surface_probability, config.looks.image_probability = 0.0, 0.0
    # How much more or less they shine at most.
    config.looks.shine = 0.0
    # How far lights are moved (metres), and by which share they are brighter or of another colour, at most.
    config.looks.light_shift, config.looks.light_gain, config.looks.light_tint = 0.0, 0.0, 0.0
    # How far the camera that looks on, and the one in the hand, are moved (metres) and turned (degrees) at most.
    config.looks.view_shift, config.looks.view_turn = 0.0, 0.0
    config.looks.wrist_shift, config.looks.wrist_turn = 0.0, 0.0
    # Radians, in the space of the arm's seven joints: how far the posture that its controller holds to is from home,
    # and how far it begins from where the start has it, at most.
    config.looks.posture, config.looks.arm = 0.0, 0.0
    # Of each class of things in a task's scene, that it has another size in this run, between so many times its own
    # (at most 1.1 where the hand must get around a thing).
    config.looks.size_probability, config.looks.smallest, config.looks.largest = 0.0, 1.0, 1.0
    # Of each class that the words do not tell from its kind, that another one of it is in its place in this run.
    config.looks.stand_in_probability = 0.0
    # Colours drawn for a class of things that are withheld, before it keeps its own.
    config.looks.most_draws = 10
    # A policy may act before the expert takes over, as in configs/corrections.py: that of the run in this folder.
    config.takeover = ConfigDict({"policy_of": "", "decoder": "l1_regression", "policy_batch": 0})
    # Steps after which the expert does, drawn evenly from these.
    config.takeover.earliest, config.takeover.latest = 1, 1

    if variant:
        # A policy, and a draft of one, are then less often off by a whole jump, in episodes a quarter longer. Not
        # where the suite may be any: a task of libero_goal takes 260 of its 300 steps as it is.
        config.motion.acceleration, config.motion.braking = 0.1, 0.2
        if variant in ("libero_goal", "layouts_libero_goal", "diverse", tiny("libero_goal")):
            # With half of these the bowl in the top drawer takes longer than its 300 steps, and a slow or roundabout
            # way to the cabinet longer than its 220.
            config.motion.acceleration, config.motion.braking = 0.4, 0.8
    if variant.startswith("libero_"):
        config.suite = variant
    elif variant == "diverse":
        config.style.sides = (-90.0, 90.0, 180.0)
        config.style.side_spread = 15.0
        config.style.around_probability = 0.67
        config.style.smallest_offset, config.style.largest_offset = 0.08, 0.16
        config.style.highest_rise = 0.08
        config.style.slowest = 0.85
        config.style.shuffle_probability = 0.5
    elif variant in ("quickstart", "tiny", _TINY_LAYOUTS, *_TINY):
        # Too few demonstrations to learn from some of them what to do after a miss.
        config.noise.miss_probability = 0.0
        config.tasks = (2,)
        config.demos_per_task = 20 if variant == "quickstart" else 4
    if variant in (*LAYOUTS, _TINY_LAYOUTS):
        config.suite = LAYOUTS.get(variant, SUITES[0])
        config.attempts_per_demo = 6  # into a drawer, with a bowl that is first carried out of its way, time is short
        config.layout.probability = 1.0 if variant == _TINY_LAYOUTS else 0.8
        config.layout.kept_weight = 2.0  # LIBERO-PRO's exchanges are of this kind
        config.layout.exchange_probability, config.layout.most_exchanges = 0.75, 2
        config.layout.exchange_shift = 0.06
        config.layout.anywhere_probability, config.layout.raised_probability = 0.4, 0.25
        config.layout.largest_turn = 30.0
        config.layout.fixture_probability = 0.4
        config.layout.fixture_shift, config.layout.fixture_turn = 0.06, 12.0
        config.layout.removal_probability = 0.15
        config.layout.strangers, config.layout.stranger_probability = 3, 0.25
        config.looks.probability = config.layout.probability
        config.looks.recolour_probability, config.looks.hue = 0.7, 40.0
        config.looks.gain, config.looks.most_paint = 0.3, 0.5
        config.looks.surface_probability, config.looks.image_probability = 0.7, 0.5
        config.looks.shine = 0.4
        config.looks.light_shift, config.looks.light_gain, config.looks.light_tint = 0.5, 0.3, 0.15
        config.looks.view_shift, config.looks.view_turn = 0.03, 2.0
        config.looks.wrist_shift, config.looks.wrist_turn = 0.005, 2.0
        config.looks.posture, config.looks.arm = 0.2, 0.1
        config.looks.size_probability, config.looks.smallest, config.looks.largest = 0.5, 0.85, 1.3
        config.looks.stand_in_probability = 0.5
    if variant in _TINY:
        config.suite = SUITES[_TINY.index(variant)]
    config.lock()
    return config

"""An episode of which every step can be told: a hand goes down, takes a bowl, lifts it, carries it and lets go.

Step 0 to 19 down by 1 cm each, 20 closes, 28 to 37 up by 2 cm each, 38 to 49 sideways by 2 cm each, 50 opens, 60 ends.
"""

import numpy as np

from eval_bridge.episodes.trace import EpisodeTrace

STEPS, CLOSES, LIFTS, OPENS = 60, 20, 28, 50
GOAL = (("on", "bowl_1", "plate_1"),)
PLATE = (0.24, 0.0, 0.1)


def pick_and_place(chunk_length=8, executed=8):
    hand = np.zeros((STEPS + 1, 3), np.float32)
    hand[:, 2] = np.interp(np.arange(STEPS + 1), [0, 20, 28, 38], [0.3, 0.1, 0.1, 0.3])
    hand[:, 0] = np.interp(np.arange(STEPS + 1), [38, 50], [0.0, 0.24])
    fingers = np.interp(np.arange(STEPS + 1), [20, 28, 50, 58], [0.08, 0.02, 0.02, 0.08]).astype(np.float32)
    bowl = np.where(np.arange(STEPS + 1)[:, None] < LIFTS, hand[LIFTS], hand)
    bowl[OPENS + 1 :] = hand[OPENS] - [0, 0, 0.02]
    actions = np.zeros((STEPS, 7), np.float32)
    actions[:, :3] = np.diff(hand, axis=0) / 0.02
    actions[:, 6] = -1
    actions[CLOSES:OPENS, 6] = 1
    starts = np.arange(0, STEPS, executed, dtype=np.int32)
    chunks = np.zeros((len(starts), chunk_length, 7), np.float32)
    for index, start in enumerate(starts):
        part = actions[start : start + chunk_length]
        chunks[index, : len(part)] = part
    return EpisodeTrace(
        actions=actions,
        chunks=chunks,
        chunk_starts=starts,
        eef_positions=hand,
        eef_rotations=np.zeros_like(hand),
        finger_openings=fingers,
        goal=GOAL,
        goal_holds=np.zeros((STEPS + 1, 1), bool),
        item_names=("bowl_1", "plate_1"),
        item_positions=np.stack([bowl, np.broadcast_to(PLATE, bowl.shape)], axis=1).astype(np.float32),
        joint_names=(),
        joint_positions=np.zeros((STEPS + 1, 0), np.float32),
    )


def cut(trace, steps):
    """The first `steps` steps."""
    count = int(np.searchsorted(trace.chunk_starts, steps))
    rows = ("eef_positions", "eef_rotations", "finger_openings", "goal_holds", "item_positions", "joint_positions")
    return trace._replace(
        actions=trace.actions[:steps],
        chunks=trace.chunks[:count],
        chunk_starts=trace.chunk_starts[:count],
        **{name: getattr(trace, name)[: steps + 1] for name in rows},
    )


def with_bowl(trace, path):
    """The same with another path of the bowl."""
    items = trace.item_positions.copy()
    items[:, 0] = path
    return trace._replace(item_positions=items)


def missed():
    """The bowl stays, and the fingers meet."""
    trace = pick_and_place()
    fingers = np.where(trace.finger_openings < 0.03, 0.0, trace.finger_openings).astype(np.float32)
    return with_bowl(trace, trace.item_positions[0, 0])._replace(finger_openings=fingers)


def slipped():
    """At row 40 the bowl stays behind, while the hand is still told to close."""
    trace = pick_and_place()
    path = trace.item_positions[:, 0].copy()
    path[40:] = path[40] - [0, 0, 0.1]
    return with_bowl(trace, path)


def drawer(positions):
    """A drawer to open, with the position of its joint in every row."""
    trace = pick_and_place()
    positions = np.asarray(positions, np.float32)[:, None]
    name = "cabinet_1_top_region"
    return trace._replace(goal=(("open", name),), joint_names=(name,), joint_positions=positions)

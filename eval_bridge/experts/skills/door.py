"""Pushing a hinged door shut."""

from typing import NamedTuple

import numpy as np

from eval_bridge.experts.motion import GRIPPER_CLOSED, action_towards, hand_down
from eval_bridge.experts.scene import Box, Joint, Pose, Scene, Vector
from eval_bridge.experts.skills.hand import (
    CRUISE_CLEARANCE,
    UP,
    Actions,
    SkillFailed,
    highest_on_the_way,
    move,
    rise,
)

PUSH_RADIUS = 0.7  # of the pushing fingers from the hinge, as a share of the door's width
BESIDE = 0.09  # of the door's outer face, where the push begins (metres)
LEAD = 0.35  # of the hand's target before the door (radians)
PRESS = 0.02  # of the hand's target into the door (metres)
REST = 4  # actions that a closed door is pressed on, so that it does not swing back
BELOW_EDGE = 0.014  # of the grip site below the door's upper edge: the palm stays above it (metres)
LONGEST_PUSH = 150  # actions


def open_door(scene: Scene, part: str) -> Actions:
    """Opens the door of the fixture `part`."""
    raise SkillFailed(f"{part}: open_door is not there yet")
    yield


class _Swing(NamedTuple):
    hinge: Vector  # [3], at the height of the push
    sense: float  # +1 if the door closes counter-clockwise seen from above
    radius: float  # of the push
    bearing: float  # of the door at joint position 0, seen from the hinge (radians)
    turns: float  # +1 if a positive joint position turns counter-clockwise

    def at(self, position: float, outside: float) -> Vector:
        """The point `outside` metres before the outer face of the door at a joint position."""
        angle = self.bearing + self.turns * position
        along = np.array([np.cos(angle), np.sin(angle), 0.0])
        closing = self.sense * np.array([-np.sin(angle), np.cos(angle), 0.0])
        return self.hinge + self.radius * along - outside * closing


def close_door(scene: Scene, part: str) -> Actions:
    """Swings the door of the fixture `part` shut, pushing its outer face with closed fingers.

    Raises:
        SkillFailed: the door is not closed afterwards.
    """
    swing, down = _find_swing(scene.joint(part)), hand_down(0.0)
    start = swing.at(scene.joint(part).value, BESIDE)
    cruise = highest_on_the_way(scene, scene.hand().position, start, 0.08) + CRUISE_CLEARANCE + 0.02
    yield from rise(scene, cruise, scene.hand().rotation, GRIPPER_CLOSED)
    over = Pose(np.array([*start[:2], max(cruise, start[2])]), down)
    yield from move(scene, over, GRIPPER_CLOSED, tolerance=0.03, rotation_tolerance=0.2)
    yield from move(scene, Pose(start, down), GRIPPER_CLOSED, tolerance=0.02)
    pressed = 0
    for _ in range(LONGEST_PUSH):
        pressed = pressed + 1 if scene.is_satisfied(("close", part)) else 0
        if pressed > REST:
            break
        position = scene.joint(part).value
        ahead = position - np.sign(position) * LEAD
        yield action_towards(scene.hand(), Pose(swing.at(ahead, -PRESS), down), GRIPPER_CLOSED)
    is_closed = scene.is_satisfied(("close", part))
    away = Pose(swing.at(scene.joint(part).value, BESIDE) + BESIDE / 2 * UP, down)
    yield from move(scene, away, GRIPPER_CLOSED, tolerance=0.03, longest=20)
    if not is_closed:
        raise SkillFailed(f"{part} is not closed after pushing")


def _find_swing(joint: Joint) -> _Swing:
    slab = max(joint.boxes, key=lambda box: float(np.prod(box.half_size)))
    edge: Box = slab.bounds()
    turns = float(np.sign(joint.axis[2]))
    sense = -turns * float(np.sign(joint.far_end))
    arm = slab.pose.position - joint.anchor
    width = 2 * float(np.linalg.norm(arm[:2]))
    bearing = float(np.arctan2(arm[1], arm[0])) - turns * joint.value
    hinge = np.array([*joint.anchor[:2], edge.high[2] - BELOW_EDGE])
    return _Swing(hinge, sense, PUSH_RADIUS * width, bearing, turns)

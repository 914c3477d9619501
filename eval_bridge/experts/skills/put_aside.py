"""Putting a grasped object aside on the table it stands on: low and short, without the arc of a carry."""

import numpy as np

from eval_bridge.experts.grasp_planning import Grasp
from eval_bridge.experts.motion import GRIPPER_CLOSED, GRIPPER_OPEN, hand_down
from eval_bridge.experts.scene import Pose, Scene, Vector
from eval_bridge.experts.skills.hand import UP, Actions, move, open_fingers

LIFT_HEIGHT = 0.03  # of the object while it is moved (metres)
RETREAT_HEIGHT = 0.08


def put_aside(scene: Scene, item: str, grasp: Grasp, place: Vector) -> Actions:
    """Moves `item`, which the hand has gripped where it stands, to `place` (its origin, ``[3]``), and lets go."""
    rotation = hand_down(grasp.yaw)
    shift = np.array([*(place - scene.pose(item).position)[:2], 0.0])
    lifted = grasp.position + LIFT_HEIGHT * UP
    yield from move(scene, Pose(lifted, rotation), GRIPPER_CLOSED, tolerance=0.015, longest=15)
    yield from move(scene, Pose(lifted + shift, rotation), GRIPPER_CLOSED, tolerance=0.015, longest=40)
    standing = Pose(grasp.position + shift + 0.004 * UP, rotation)
    yield from move(scene, standing, GRIPPER_CLOSED, tolerance=0.012, longest=15)
    yield from open_fingers(scene, Pose(scene.hand().position, rotation))
    above = Pose(scene.hand().position + RETREAT_HEIGHT * UP, rotation)
    yield from move(scene, above, GRIPPER_OPEN, tolerance=0.02, longest=20)

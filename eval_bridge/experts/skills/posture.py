"""The pose between two skills."""

import numpy as np

from eval_bridge.experts.motion import hand_down
from eval_bridge.experts.scene import Pose, Scene
from eval_bridge.experts.skills.hand import Actions, move

STAND_BY = np.array([0.45, 0.0, 0.26])  # of the grip site from the robot's base: where episodes begin (metres)


def stand_by(scene: Scene, gripper: float) -> Actions:
    """Brings the hand back above the middle of the table, pointing down, away from stretched and twisted poses."""
    home = Pose(scene.robot_base() + STAND_BY, hand_down(0.0))
    yield from move(scene, home, gripper, tolerance=0.08, rotation_tolerance=0.4)

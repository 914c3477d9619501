"""A block, a plate and a floating hand without physics: enough of a scene for the scripted expert to act in."""

import numpy as np

from eval_bridge.experts.motion import METRES_PER_UNIT, RADIANS_PER_UNIT, hand_down
from eval_bridge.experts.scene import Box, HeightMap, Pose, Region

STEP_SHARE = 0.3  # of the commanded displacement that a step achieves, about as in LIBERO
BLOCK_HALF = np.array([0.02, 0.02, 0.03])
PLATE_HALF = np.array([0.06, 0.06, 0.01])
FULLY_OPEN = 0.08
BLOCK, PLATE = "block_1", "plate_1"


class KinematicScene:
    """The block stands on a floor at height 0, or on a tower; the robot's base is at x = -0.66."""

    def __init__(self, block=(0.0, 0.0), plate=(0.1, 0.15), tower: float = 0.0, goal=(("on", BLOCK, PLATE),)) -> None:
        x, y = block
        self.towers = [Box(np.array([x - 0.03, y - 0.03, 0.0]), np.array([x + 0.03, y + 0.03, tower]))]
        self.block = np.array([*block, tower + BLOCK_HALF[2]])
        self.plate = np.array([*plate, PLATE_HALF[2]])
        self.hand_position = np.array([-0.2, 0.0, 0.3])
        self.hand_rotation = hand_down(0.0)
        self.opening = FULLY_OPEN
        self.is_slippery = False
        self.regions: dict[str, Region] = {}
        self.joints: set[str] = set()
        self.movable: tuple[str, ...] = (BLOCK,)
        self._goal = list(goal)
        self._held_at: np.ndarray | None = None

    def add_region(self, name, centre=(0.0, 0.0, 0.0), half_size=(0.1, 0.1, 0.1), parent=None, is_articulated=False):
        """A level region."""
        pose = Pose(np.array(centre), np.eye(3))
        self.regions[name] = Region(pose, np.array(half_size), parent, is_articulated)

    def execute(self, action: np.ndarray) -> None:
        """One control step."""
        assert np.abs(action).max() <= 1
        self.hand_position = self.hand_position + STEP_SHARE * METRES_PER_UNIT * action[:3]
        yaw = STEP_SHARE * RADIANS_PER_UNIT * action[5]
        turn = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
        self.hand_rotation = turn @ self.hand_rotation
        if action[6] < 0:
            self.opening = min(FULLY_OPEN, self.opening + 0.02)
            if self._held_at is not None and self.opening > 2 * BLOCK_HALF[0]:
                self._held_at = None
                self.block[2] = self._support(self.block) + BLOCK_HALF[2]
        else:
            around = np.abs(self.block - self.hand_position).max() < 0.03 and not self.is_slippery
            narrowest = 2 * BLOCK_HALF[0] if around or self._held_at is not None else 0.0
            self.opening = max(narrowest, self.opening - 0.01)
            if around and self._held_at is None and self.opening == narrowest:
                self._held_at = self.block - self.hand_position
        if self._held_at is not None:
            self.block = self.hand_position + self._held_at

    def release(self) -> None:
        """The block slips out of the fingers."""
        self._held_at, self.opening = None, 0.0

    def goal(self):
        return self._goal

    def is_satisfied(self, predicate):
        return bool(np.abs(self.block - self.plate)[:2].max() < 0.02 and self.touches_something(BLOCK))

    def hand(self):
        return Pose(self.hand_position.copy(), self.hand_rotation.copy())

    def finger_opening(self):
        return self.opening

    def robot_base(self):
        return np.array([-0.66, 0.0, 0.0])

    def pose(self, name):
        if name in self.regions:
            return self.regions[name].pose
        return Pose({PLATE: self.plate}.get(name, self.block).copy(), np.eye(3))

    def is_region(self, name):
        return name in self.regions

    def region(self, name):
        return self.regions[name]

    def has_joint(self, name):
        return name in self.joints

    def underside(self, name, spacing):
        box = self.bounding_box(name)
        x, y = (np.linspace(box.low[axis], box.high[axis], 5) for axis in (0, 1))
        return np.array([[at_x, at_y, box.low[2]] for at_x in x for at_y in y])

    def centre_of_mass(self, name):
        return self.pose(name).position

    def bounding_box(self, name):
        half = PLATE_HALF if name == PLATE else BLOCK_HALF
        return Box(self.pose(name).position - half, self.pose(name).position + half)

    def touches_something(self, name):
        return bool(self.block[2] - BLOCK_HALF[2] < self._support(self.block) + 0.006)

    def is_movable(self, name):
        return name in self.movable

    def height_map(self, low, high, spacing, target, hide_target=False):
        x, y = (np.arange(low[axis], high[axis] + spacing / 2, spacing) for axis in (0, 1))
        height = np.zeros((len(x), len(y)))
        is_target = np.zeros(height.shape, bool)
        shown = [(box, False) for box in self._obstacles()]
        if not hide_target:
            shown.append((self.bounding_box(target), True))
        for box, marked in shown:
            inside = np.outer((x >= box.low[0]) & (x <= box.high[0]), (y >= box.low[1]) & (y <= box.high[1]))
            inside &= height < box.high[2]
            height[inside], is_target[inside] = box.high[2], marked
        return HeightMap(x, y, height, is_target)

    def _obstacles(self):
        return [self.bounding_box(PLATE), *self.towers]

    def _support(self, position) -> float:
        below = [
            box.high[2]
            for box in self._obstacles()
            if (position[:2] > box.low[:2]).all() and (position[:2] < box.high[:2]).all()
        ]
        return max([0.0, *below])


def play(scene: KinematicScene, actions) -> list[np.ndarray]:
    """Executes the actions; returns where the hand was after each."""
    path = []
    for action in actions:
        scene.execute(action)
        path.append(scene.hand_position)
    return path

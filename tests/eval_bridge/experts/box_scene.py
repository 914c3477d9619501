"""Scenes of boxes and a floating hand without physics: a drawer, a knob, a door, and a cavity with an item before it.

What touches what is decided by a few lines for each part: enough to see whether a skill does what it is for.
"""

import numpy as np

from eval_bridge.experts.motion import METRES_PER_UNIT, RADIANS_PER_UNIT, hand_down
from eval_bridge.experts.scene import Box, HeightMap, Joint, OrientedBox, Pose, Region

STEP_SHARE = 0.3  # of the commanded displacement that a step achieves, about as in LIBERO
FULLY_OPEN = 0.08
WITHIN_GRASP = 0.02  # of the grip site from what the fingers close on
UPRIGHT = np.eye(3)
PART, ITEM, ROOM = "part", "item", "room"


def about_vertical(angle: float) -> np.ndarray:
    return hand_down(angle) @ hand_down(0.0).T


def turned(vector: np.ndarray) -> np.ndarray:
    """Rotation matrix of a rotation vector, by Rodrigues' formula."""
    angle = np.linalg.norm(vector)
    if angle < 1e-12:
        return UPRIGHT
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return UPRIGHT + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def box(low, high) -> Box:
    return Box(np.array(low, float), np.array(high, float))


class BoxScene:
    """A hand over a floor at height 0 on which boxes stand; the robot's base is at x = -0.66."""

    def __init__(self) -> None:
        self.hand_position = np.array([-0.21, 0.0, 0.26])
        self.hand_rotation = hand_down(0.0)
        self.opening = FULLY_OPEN
        self.holds = False
        self.is_slippery = False

    def boxes(self) -> list[Box]:
        """Everything that rays meet, but the item."""
        return []

    def item_boxes(self) -> list[Box]:
        return []

    def thickness(self) -> float | None:
        """How thick what is between the fingers is; None if nothing is."""
        return None

    def moved(self, before: Pose) -> None:
        """Lets the hand's motion have its effect."""

    def execute(self, action: np.ndarray) -> None:
        """One control step."""
        assert np.abs(action).max() <= 1
        before = self.hand()
        self.hand_position = self.hand_position + STEP_SHARE * METRES_PER_UNIT * action[:3]
        self.hand_rotation = turned(STEP_SHARE * RADIANS_PER_UNIT * action[3:6]) @ self.hand_rotation
        if action[6] < 0:
            self.opening, self.holds = min(FULLY_OPEN, self.opening + 0.02), False
        elif not self.holds:  # what is held stays held
            between = self.thickness()
            if self.is_slippery or between is None or between > self.opening:
                between = 0.0
            self.opening = max(between, self.opening - 0.01)
            self.holds = self.opening == between > 0
        self.moved(before)

    def hand(self):
        return Pose(self.hand_position.copy(), self.hand_rotation.copy())

    def finger_opening(self):
        return self.opening

    def robot_base(self):
        return np.array([-0.66, 0.0, 0.0])

    def view(self, frame, start, low, high, spacing, target, hide_target=False):
        x, y = (np.arange(low[axis], high[axis] + spacing / 2, spacing) for axis in (0, 1))
        grid = np.stack([*np.meshgrid(x, y, indexing="ij"), np.full((len(x), len(y)), start)], axis=-1)
        origins, way = grid @ frame.T, -frame[:, 2]
        floor = box([-9, -9, -1], [9, 9, 0])
        shown = [(each, False) for each in [floor, *self.boxes()]]
        if not (hide_target and target == ITEM):
            shown += [(each, target == ITEM) for each in self.item_boxes()]
        nearest, is_target = np.full(grid.shape[:2], np.inf), np.zeros(grid.shape[:2], bool)
        safe = np.where(np.abs(way) < 1e-9, 1e-9, way)
        for each, marked in shown:
            first, second = (each.low - origins) / safe, (each.high - origins) / safe
            entry, leave = np.minimum(first, second).max(axis=-1), np.maximum(first, second).min(axis=-1)
            is_met = (entry < leave) & (entry >= 0) & (entry < nearest)
            nearest[is_met], is_target[is_met] = entry[is_met], marked
        return HeightMap(x, y, start - nearest, is_target)

    def height_map(self, low, high, spacing, target, hide_target=False):
        return self.view(UPRIGHT, 2.0, low, high, spacing, target, hide_target)


class DrawerScene(BoxScene):
    """A drawer that opens along +y by up to 0.16; its handle is a bar along x."""

    def __init__(self, value: float = 0.0) -> None:
        super().__init__()
        self.value = value

    def handle(self) -> np.ndarray:
        return np.array([0.0, -0.13 - self.value, 0.2])

    def boxes(self):
        cabinet = box([-0.11, -0.35, 0.0], [0.11, -0.165, 0.3])
        return [cabinet, *(each.bounds() for each in self.joint(PART).boxes)]

    def joint(self, name):
        front = OrientedBox(Pose(self.handle() - [0, 0.03, 0], UPRIGHT), np.array([0.1, 0.003, 0.03]))
        bar = OrientedBox(Pose(self.handle(), UPRIGHT), np.array([0.045, 0.008, 0.008]))
        return Joint(self.value, (-0.16, 0.01), np.array([0.0, -1.0, 0.0]), np.zeros(3), (front, bar))

    def region(self, name):
        return Region(Pose(self.handle() - [0, 0.11, 0], UPRIGHT), np.array([0.1, 0.075, 0.03]), "cabinet", True)

    def is_satisfied(self, predicate):
        return {"open": self.value < -0.14, "close": self.value > 0.0}[predicate[0]]

    def thickness(self):
        return 0.016 if np.linalg.norm(self.hand_position - self.handle()) < WITHIN_GRASP else None

    def moved(self, before):
        outwards = self.hand_position[1] - before.position[1]
        beside = np.abs(self.hand_position - self.handle())
        is_pushed = outwards < 0 and beside[0] < 0.05 and beside[1] < 0.02 and beside[2] < 0.02 and self.opening == 0
        if self.holds or (is_pushed and not self.is_slippery):
            self.value = float(np.clip(self.value - outwards, -0.16, 0.01))


class KnobScene(BoxScene):
    """A knob with a ridge along x at its position 0; turning it counter-clockwise switches on."""

    def __init__(self, value: float = 0.0) -> None:
        super().__init__()
        self.value = value

    def boxes(self):
        return [each.bounds() for each in self.joint(PART).boxes]

    def joint(self, name):
        middle, rotation = np.array([-0.3, 0.2, 0.0]), about_vertical(self.value)
        plate = OrientedBox(Pose(middle, rotation), np.array([0.04, 0.04, 0.015]))
        ridge = OrientedBox(Pose(middle + np.array([0, 0, 0.03]), rotation), np.array([0.035, 0.012, 0.025]))
        return Joint(self.value, (-0.005, 2.1), np.array([0.0, 0.0, 1.0]), middle, (plate, ridge))

    def is_satisfied(self, predicate):
        return {"turnon": self.value > 0.5, "turnoff": self.value < 0.0}[predicate[0]]

    def thickness(self):
        beside = np.linalg.norm(self.hand_position[:2] - [-0.3, 0.2])
        across = abs(self.hand_rotation[:, 0] @ about_vertical(self.value)[:, 1])
        return 0.024 if beside < WITHIN_GRASP and self.hand_position[2] < 0.06 and across > 0.8 else None

    def moved(self, before):
        if self.holds:
            change = self.hand_rotation @ before.rotation.T
            turn = np.arctan2(change[1, 0], change[0, 0])
            self.value = float(np.clip(self.value + turn, -0.005, 2.1))


class DoorScene(BoxScene):
    """A door of 0.24 x 0.18 whose closed face looks along -y; it hinges at its left end and opens towards -y."""

    hinge = np.array([-0.16, 0.25, 0.0])

    def __init__(self, value: float = -1.6) -> None:
        super().__init__()
        self.value = value
        self.is_stuck = False

    def along(self) -> np.ndarray:
        return np.array([np.cos(self.value), np.sin(self.value), 0.0])

    def boxes(self):
        return [each.bounds() for each in self.joint(PART).boxes]

    def joint(self, name):
        rotation = about_vertical(self.value)
        slab = OrientedBox(
            Pose(self.hinge + 0.12 * self.along() + [0, 0, 0.1], rotation), np.array([0.12, 0.01, 0.09])
        )
        bar = OrientedBox(
            Pose(slab.pose.position + rotation @ [0.1, -0.03, 0], rotation), np.array([0.01, 0.01, 0.07])
        )
        return Joint(self.value, (-2.1, 0.0), np.array([0.0, 0.0, 1.0]), self.hinge, (slab, bar))

    def is_satisfied(self, predicate):
        return {"open": self.value < -1.3, "close": self.value > -0.005}[predicate[0]]

    def moved(self, before):
        arm = self.hand_position - self.hinge
        normal = np.array([-self.along()[1], self.along()[0], 0.0])  # the way the door closes
        is_on_face = 0 < arm @ self.along() < 0.24 and self.hand_position[2] < 0.19
        was_before_it = (before.position - self.hinge) @ normal <= 1e-9
        if is_on_face and was_before_it and arm @ normal > 0 and not self.is_stuck:
            self.value = float(np.clip(np.arctan2(arm[1], arm[0]), -2.1, 0.0))


class CavityScene(BoxScene):
    """A box with a mouth towards -y, 0.2 wide and 0.15 high; before it an item with a handle that points away."""

    floor, back, mouth = 0.04, 0.42, 0.25

    def __init__(self) -> None:
        super().__init__()
        self.item = np.array([0.0, 0.0, 0.0])
        self.mouth_is_shut = False

    def boxes(self):
        left, right = box([-0.14, 0.25, 0], [-0.1, 0.45, 0.21]), box([0.1, 0.25, 0], [0.14, 0.45, 0.21])
        floor, roof = box([-0.1, 0.25, 0], [0.1, 0.45, 0.04]), box([-0.1, 0.25, 0.19], [0.1, 0.45, 0.21])
        door = [box([-0.14, 0.23, 0], [0.14, 0.25, 0.21])] if self.mouth_is_shut else []
        return [left, right, floor, roof, box([-0.1, 0.42, 0.04], [0.1, 0.45, 0.19]), *door]

    def item_boxes(self):
        body, handle = box([-0.045, -0.03, 0], [0.045, 0.06, 0.1]), box([-0.008, -0.065, 0.02], [0.008, -0.03, 0.08])
        return [Box(each.low + self.item, each.high + self.item) for each in (body, handle)]

    def is_region(self, name):
        return name == ROOM

    def region(self, name):
        return Region(Pose(np.array([0.0, 0.34, 0.115]), UPRIGHT), np.array([0.11, 0.08, 0.08]), "oven", False)

    def pose(self, name):
        return Pose(self.item.copy(), UPRIGHT)

    def centre_of_mass(self, name):
        return self.item + np.array([0, 0.01, 0.05])

    def bounding_box(self, name):
        boxes = self.item_boxes()
        return Box(np.min([each.low for each in boxes], axis=0), np.max([each.high for each in boxes], axis=0))

    def support(self) -> float:
        return self.floor if self.item[1] > self.mouth else 0.0

    def touches_something(self, name):
        return bool(self.item[2] < self.support() + 0.004)

    def thickness(self):
        handle = self.item + np.array([0, -0.05, 0.05])
        across = abs(self.hand_rotation[0, 0])
        return 0.016 if np.linalg.norm(self.hand_position - handle) < 0.04 and across > 0.9 else None

    def moved(self, before):
        if self.holds:
            self.item = self.item + self.hand_position - before.position
            return
        self.item[2] = self.support()
        inwards = self.hand_position[1] - before.position[1]
        rear = self.item + np.array([0, -0.065, 0.05])
        is_behind = np.abs(self.hand_position - rear)[[0, 2]].max() < 0.05 and self.opening < 0.02
        if is_behind and inwards > 0 and before.position[1] <= rear[1] < self.hand_position[1]:
            self.item[1] += self.hand_position[1] - rear[1]

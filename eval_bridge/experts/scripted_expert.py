"""The scripted expert: reads the goal from the scene, picks, carries, places, and plans again after a failure."""

from collections.abc import Generator, Iterator

import numpy as np
from numpy.typing import NDArray

from eval_bridge.experts import skills
from eval_bridge.experts.goal import Carry, open_goals
from eval_bridge.experts.grasp_planning import PANDA_HAND, Grasp, GraspPreferences, plan_grasp
from eval_bridge.experts.scene import Scene

MAP_SPACING = 0.004  # fine enough for the wall of a bowl (metres)
MOVED = 0.006  # an object that moved this far since the grasp was planned needs a new plan (metres)
TURNED = 0.06


class ExpertFailed(Exception):
    """The expert gave the episode up; the message says why."""


class ScriptedExpert:
    """Solves carrying tasks from the privileged state of a scene.

    Args:
        scene: the scene; read before every action.
        preferences: which grasps to prefer; by default those of `GraspPreferences`.
        attempts: how often a goal is tried before the episode is given up.
    """

    def __init__(self, scene: Scene, preferences: GraspPreferences | None = None, attempts: int = 3) -> None:
        self._scene = scene
        self._preferences = preferences or GraspPreferences()
        self._attempts = attempts

    def actions(self) -> Iterator[NDArray[np.float32]]:
        """Yields the clean action ``[7]`` for the scene's present state; execute one before asking for the next.

        Raises:
            ExpertFailed: no grasp was found, or every attempt failed.
            ValueError: the task's goal needs a skill that the expert does not have.
        """
        for goal in open_goals(self._scene):
            yield from self._achieve(goal)

    def _achieve(self, goal: Carry) -> skills.Actions:
        reason = "the goal does not hold after placing"
        for _ in range(self._attempts):
            if self._scene.is_satisfied(goal.predicate):
                return
            try:
                yield from self._pick_and_place(goal)
            except skills.SkillFailed as failure:
                reason = str(failure)
        if not self._scene.is_satisfied(goal.predicate):
            raise ExpertFailed(f"{' '.join(goal.predicate)}: gave up after {self._attempts} attempts: {reason}")

    def _pick_and_place(self, goal: Carry) -> skills.Actions:
        scene = self._scene
        grasp = yield from self._approach(goal)
        yield from skills.descend_and_close(scene, grasp)
        yield from skills.lift(scene, goal.item, grasp)
        destination = scene.pose(goal.support).position[:2]
        yield from skills.back_off(scene, goal.item, grasp.yaw)
        yield from skills.carry(scene, goal.item, destination, grasp.yaw)
        yield from skills.place(scene, goal.item, destination, grasp.yaw)

    def _approach(self, goal: Carry) -> Generator[NDArray[np.float32], None, Grasp]:
        """Flies above the planned grasp; plans again if the object moved meanwhile (a bowl may slide off)."""
        while True:
            grasp, planned_for = self._plan(goal), self._scene.pose(goal.item)
            yield from skills.approach(self._scene, goal.item, grasp)
            now = self._scene.pose(goal.item)
            moved = np.abs(now.position - planned_for.position).max()
            turned = np.abs(now.rotation - planned_for.rotation).max()
            if moved < MOVED and turned < TURNED:
                return grasp

    def _plan(self, goal: Carry) -> Grasp:
        scene = self._scene
        box = scene.bounding_box(goal.item)
        margin = np.hypot(PANDA_HAND.palm_half_length, PANDA_HAND.palm_half_width)
        surface = scene.height_map(box.low[:2] - margin, box.high[:2] + margin, MAP_SPACING, goal.item)
        carried = scene.pose(goal.support).position[:2] - scene.pose(goal.item).position[:2]
        grasp = plan_grasp(
            surface,
            scene.centre_of_mass(goal.item),
            scene.robot_base(),
            carried,
            hand=PANDA_HAND,
            preferences=self._preferences,
        )
        if grasp is None:
            raise ExpertFailed(f"no grasp found for {goal.item}")
        return grasp

"""The scripted expert: reads the goal from the scene, does what is left of it, and plans again after a failure."""

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from eval_bridge.experts.cavity import find_cavity
from eval_bridge.experts.destination import destination_of
from eval_bridge.experts.goal import Carry, Close, Goal, Open, Push, TurnOff, TurnOn, open_goals
from eval_bridge.experts.grasp_planning import PANDA_HAND, Grasp, GraspPreferences, plan_grasp
from eval_bridge.experts.make_way import items_in_the_way, opening_direction, place_aside
from eval_bridge.experts.placement_planning import Placement
from eval_bridge.experts.scene import Scene
from eval_bridge.experts.skills import door, drawer, insert, knob, pick, place, push, put_aside
from eval_bridge.experts.skills.hand import Actions, SkillFailed

MAP_SPACING = 0.004  # fine enough for the wall of a bowl (metres)
MOVED = 0.006  # an object that moved this far since the grasp was planned needs a new plan (metres)
TURNED = 0.06

FindPlace = Callable[[float | None], Placement]
"""Plans where an item is put down, given the yaw (radians) of the hand that holds it, or None before."""


class ExpertFailed(Exception):
    """The expert gave the episode up; the message says why."""


class ScriptedExpert:
    """Solves tasks from the privileged state of a scene.

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
        tried: Counter[tuple[str, ...]] = Counter()
        reason = "the goal does not hold afterwards"
        while goals := open_goals(self._scene):
            goal = goals[0]
            if tried[goal.predicate] == self._attempts:
                raise ExpertFailed(f"{' '.join(goal.predicate)}: gave up after {self._attempts} attempts: {reason}")
            tried[goal.predicate] += 1
            try:
                yield from self._pursue(goal)
            except SkillFailed as failure:
                reason = str(failure)

    def plan(self, goal: Carry) -> Grasp:
        """The grasp with which it would now pick up what `goal` carries from above; raises `ExpertFailed` if none."""
        return self._plan(goal.item, partial(destination_of, self._scene, goal), self._preferences)

    def _pursue(self, goal: Goal) -> Actions:
        scene = self._scene
        match goal:
            case Open(part):
                for item in items_in_the_way(scene, part):
                    away = replace(self._preferences, side=opening_direction(scene, part))
                    grasp = yield from self._approach(item, partial(place_aside, scene, part, item), away)
                    yield from pick.descend_and_close(scene, grasp)
                    aside = place_aside(scene, part, item, grasp.yaw).position
                    yield from put_aside.put_aside(scene, item, grasp, aside)
                skill = drawer.open_drawer if scene.is_region(part) else door.open_door
                yield from skill(scene, part)
            case Close(part):
                skill = drawer.close_drawer if scene.is_region(part) else door.close_door
                yield from skill(scene, part)
            case TurnOn(part):
                yield from knob.turn_on(scene, part)
            case TurnOff(part):
                yield from knob.turn_off(scene, part)
            case Push(item, region):
                yield from push.push(scene, item, region)
            case Carry(item, support):
                cavity = find_cavity(scene, support, item) if scene.is_region(support) else None
                if cavity is None:
                    yield from self._pick_and_place(item, partial(destination_of, scene, goal))
                else:
                    yield from insert.insert(scene, item, cavity)

    def _pick_and_place(self, item: str, find_place: FindPlace) -> Actions:
        scene = self._scene
        grasp = yield from self._approach(item, find_place)
        yield from pick.descend_and_close(scene, grasp)
        yield from pick.lift(scene, item, grasp)
        yield from place.back_off(scene, item, grasp.yaw)
        destination = find_place(grasp.yaw)
        yaw = grasp.yaw + destination.turn
        yield from place.carry(scene, item, destination.position, yaw)
        yield from place.place(scene, item, destination.position, yaw, is_tight=destination.is_tight)

    def _approach(
        self, item: str, find_place: FindPlace, preferences: GraspPreferences | None = None
    ) -> Generator[NDArray[np.float32], None, Grasp]:
        """Flies above the planned grasp; plans again if the object moved meanwhile (a bowl may slide off)."""
        while True:
            grasp, planned_for = self._plan(item, find_place, preferences or self._preferences), self._scene.pose(item)
            yield from pick.approach(self._scene, item, grasp)
            now = self._scene.pose(item)
            moved = np.abs(now.position - planned_for.position).max()
            turned = np.abs(now.rotation - planned_for.rotation).max()
            if moved < MOVED and turned < TURNED:
                return grasp

    def _plan(self, item: str, find_place: FindPlace, preferences: GraspPreferences) -> Grasp:
        scene = self._scene
        box = scene.bounding_box(item)
        margin = np.hypot(PANDA_HAND.palm_half_length, PANDA_HAND.palm_half_width)
        surface = scene.height_map(box.low[:2] - margin, box.high[:2] + margin, MAP_SPACING, item)
        carried = (find_place(None).position - scene.pose(item).position)[:2]
        grasp = plan_grasp(
            surface,
            scene.centre_of_mass(item),
            scene.robot_base(),
            carried,
            hand=PANDA_HAND,
            preferences=preferences,
        )
        if grasp is None:
            raise ExpertFailed(f"no grasp found for {item}")
        return grasp

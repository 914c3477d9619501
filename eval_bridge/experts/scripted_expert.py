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
from eval_bridge.experts.grasp_side import kind_of_grasp, prefer_side, why_not
from eval_bridge.experts.make_way import items_in_the_way, opening_direction, place_aside
from eval_bridge.experts.motion import limit_speed, yaw_of
from eval_bridge.experts.placement_planning import Placement
from eval_bridge.experts.route import STRAIGHT, Route
from eval_bridge.experts.scene import Scene
from eval_bridge.experts.skills import door, drag, drawer, insert, knob, pick, place, push, put_aside
from eval_bridge.experts.skills.hand import Actions, SkillFailed, is_gripped
from eval_bridge.experts.style_record import StyleRecord, kind_of_route

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
        attempts: how often a goal is tried before the episode is given up. The last of several is made in the
            planner's own way, whatever the style.
        style: in which of its ways the episode is done; how it was done is noted there.
    """

    def __init__(
        self,
        scene: Scene,
        preferences: GraspPreferences | None = None,
        attempts: int = 3,
        style: StyleRecord | None = None,
    ) -> None:
        self._scene = scene
        self._preferences = preferences or GraspPreferences()
        self._attempts = attempts
        self._record = style or StyleRecord()
        self._is_last_attempt = False
        self._begins = True
        self._off_side: set[str] = set()  # items that have no good grasp on the side asked for

    def actions(self) -> Iterator[NDArray[np.float32]]:
        """Yields the clean action ``[7]`` for the scene's present state; execute one before asking for the next.

        Raises:
            ExpertFailed: no grasp was found, or every attempt failed.
            ValueError: the task's goal needs a skill that the expert does not have.
        """
        speed = self._record.style.speed
        for action in self._full_speed_actions():
            yield limit_speed(action, speed) if speed < 1.0 else action

    def _full_speed_actions(self) -> Actions:
        tried: Counter[tuple[str, ...]] = Counter()
        reason = "the goal does not hold afterwards"
        while goals := open_goals(self._scene, self._record.style.order):
            goal = goals[0]
            if tried[goal.predicate] == self._attempts:
                raise ExpertFailed(f"{' '.join(goal.predicate)}: gave up after {self._attempts} attempts: {reason}")
            tried[goal.predicate] += 1
            self._is_last_attempt = 1 < tried[goal.predicate] == self._attempts
            if self._is_last_attempt:
                self._record.note(f"last attempt at {' '.join(goal.predicate)}", "plain", f"failed before: {reason}")
            try:
                yield from self._pursue(goal)
            except SkillFailed as failure:
                reason = str(failure)
            self._begins = False

    def plan(self, goal: Carry) -> Grasp:
        """The grasp with which it would now pick up what `goal` carries from above; raises `ExpertFailed` if none."""
        return self._plan(goal.item, partial(destination_of, self._scene, goal))

    def _pursue(self, goal: Goal) -> Actions:
        scene = self._scene
        match goal:
            case Open(part):
                for item in items_in_the_way(scene, part):
                    yield from self._move_aside(item, part)
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

    def _move_aside(self, item: str, part: str) -> Actions:
        """Makes way for the drawer `part`: drags `item` aside, or carries it if the fingers cannot get into it."""
        scene = self._scene
        floor = drag.find_floor(scene, item)
        if floor is not None:
            yield from drag.drag(scene, item, floor, place_aside(scene, part, item).position)
            return
        away = replace(self._preferences, side=opening_direction(scene, part))
        grasp = yield from self._approach(item, partial(place_aside, scene, part, item), away)
        yield from pick.descend_and_close(scene, grasp)
        aside = place_aside(scene, part, item, grasp.yaw).position
        yield from put_aside.put_aside(scene, item, grasp, aside)

    def _pick_and_place(self, item: str, find_place: FindPlace) -> Actions:
        scene = self._scene
        if self._begins and is_gripped(scene, item):  # by whoever acted before
            grasp = Grasp(scene.hand().position, yaw_of(scene.hand().rotation), cost=0.0)
            is_lifted = not scene.touches_something(item)
        else:
            grasp = yield from self._approach(item, find_place)
            yield from pick.descend_and_close(scene, grasp)
            is_lifted = False
        if not is_lifted:
            yield from pick.lift(scene, item, grasp)
        yield from place.back_off(scene, item, grasp.yaw)
        destination = find_place(grasp.yaw)
        yaw = grasp.yaw + destination.turn
        carried_by = self._route(self._record.style.carry), self._reporter("carry", item)
        yield from place.carry(scene, item, destination.position, yaw, *carried_by)
        yield from place.place(scene, item, destination.position, yaw, is_tight=destination.is_tight)

    def _approach(
        self, item: str, find_place: FindPlace, preferences: GraspPreferences | None = None
    ) -> Generator[NDArray[np.float32], None, Grasp]:
        """Flies above the planned grasp; plans again if the object moved meanwhile (a bowl may slide off)."""
        while True:
            grasp, planned_for = self._plan(item, find_place, preferences), self._scene.pose(item)
            route = self._route(self._record.style.approach)
            yield from pick.approach(self._scene, item, grasp, route, self._reporter("approach", item))
            now = self._scene.pose(item)
            moved = np.abs(now.position - planned_for.position).max()
            turned = np.abs(now.rotation - planned_for.rotation).max()
            if moved < MOVED and turned < TURNED:
                return grasp

    def _route(self, asked: Route) -> Route:
        return STRAIGHT if self._is_last_attempt else asked

    def _reporter(self, part: str, item: str) -> Callable[[Route, str], None]:
        return lambda route, departure: self._record.note(f"{part} {item}", kind_of_route(route), departure)

    def _plan(self, item: str, find_place: FindPlace, preferences: GraspPreferences | None = None) -> Grasp:
        """The best grasp on the side asked for, or, if that is a bad one, the best of all.

        Args:
            item: what is grasped.
            find_place: plans where it goes.
            preferences: those that what is to be done dictates; None leaves the side to the style.
        """
        scene = self._scene
        box = scene.bounding_box(item)
        margin = np.hypot(PANDA_HAND.palm_half_length, PANDA_HAND.palm_half_width)
        surface = scene.height_map(box.low[:2] - margin, box.high[:2] + margin, MAP_SPACING, item)
        carried = (find_place(None).position - scene.pose(item).position)[:2]
        plan = partial(plan_grasp, surface, scene.centre_of_mass(item), scene.robot_base(), carried, hand=PANDA_HAND)
        grasp = plan(preferences=preferences or self._preferences)
        if grasp is None:
            raise ExpertFailed(f"no grasp found for {item}")
        if preferences is not None or self._record.style.side is None:
            return grasp
        return self._on_side(item, grasp, plan)

    def _on_side(self, item: str, best: Grasp, plan: Callable[..., Grasp | None]) -> Grasp:
        """The grasp on the side that the style asks for, as long as it is about as good as the `best` of all."""
        style = self._record.style
        assert style.side is not None
        if self._is_last_attempt or item in self._off_side:
            return best
        asked, mass = plan(preferences=prefer_side(self._preferences, style.side)), self._scene.centre_of_mass(item)
        departure = why_not(asked, best, mass, style.side)
        if departure:
            self._off_side.add(item)
        grasp = best if departure or asked is None else asked
        self._record.note(f"grasp {item}", kind_of_grasp(grasp, mass), departure)
        return grasp

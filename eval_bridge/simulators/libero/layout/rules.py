"""What a layout must hold before physics is asked: room, reach, sight, and that the words mean one thing."""

from collections.abc import Collection

import numpy as np

from eval_bridge.simulators.libero.layout.arrangement import Arrangement, Rectangle, overlap, rotate
from eval_bridge.simulators.libero.layout.settings import LayoutSettings

_NEARER = 0.01  # than in its own start; less is the scatter of starts (metres)

_CORNERS = [[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]


def fault_of(at: Arrangement, settings: LayoutSettings, ignored: Collection[str] = ()) -> str | None:
    """Why an arrangement is no layout, in a few words; None if it is one.

    Args:
        at: the arrangement.
        settings: distances that it must hold.
        ignored: bodies that are still to be moved.
    """
    changed = sorted(at.changed - set(ignored))
    if at.collision(settings.gap, ignored) is not None:
        return "two things overlap"
    if any(not _is_within_reach(at, name, settings) for name in changed):
        return "out of reach"
    if any(not _is_in_view(at, name) for name in changed):
        return "out of sight"
    if any(_is_on_destination(at, name) for name in changed):
        return "on the goal's place"
    if any(_is_confusing(at, name, settings.apart) for name in at.scene.roles.look_alikes if name not in ignored):
        return "a look-alike where the words would mean it"
    return None


def _is_within_reach(at: Arrangement, name: str, settings: LayoutSettings) -> bool:
    ground, where = at.scene.ground, at.footprint(name)
    distance = float(np.linalg.norm(where.centre - ground.foot))
    reach = where.half_size.min()
    on_ground = bool((where.centre - reach >= ground.low).all() and (where.centre + reach <= ground.high).all())
    return on_ground and settings.nearest <= distance <= settings.farthest


def _is_in_view(at: Arrangement, name: str) -> bool:
    """Whether a thing is whole in the picture; of a fixture, which seldom is, the middle."""
    foot, box = at.foot(name), at.footprint(name)
    corners = np.array([[0.0, 0.0]] if at.scene.bodies[name].is_fixture else _CORNERS) * box.half_size
    return all(at.scene.view.shows(foot + np.array([*rotate(corner, box.yaw), 0.0])) for corner in corners)


def _is_on_destination(at: Arrangement, name: str) -> bool:
    if name in at.scene.roles.grounded:
        return False
    boxes = [Rectangle(corners.mean(axis=0), np.ptp(corners, axis=0) / 2, 0.0) for corners in at.scene.kept_free]
    return any(overlap(at.footprint(name), box, 0.0) for box in boxes)


def _is_confusing(at: Arrangement, look_alike: str, apart: float) -> bool:
    """Whether a look-alike has come to stand where the words, or its own start, have the target."""
    if look_alike in at.removed:
        return False
    roles, before = at.scene.roles, Arrangement.of(at.scene)
    here, there = at.footprint(look_alike).centre, before.footprint(look_alike).centre
    for landmark in roles.landmarks:
        carried = landmark in at.carriers(look_alike)
        if carried and landmark not in before.carriers(look_alike):
            return True
        if carried or at.scene.bodies[landmark].is_fixture:
            continue
        distance = np.linalg.norm(here - at.footprint(landmark).centre)
        own_distance = np.linalg.norm(there - before.footprint(landmark).centre)
        if distance < min(apart, float(own_distance) - _NEARER):
            return True
    if look_alike not in at.changed:
        return False
    left = [before.footprint(target).centre for target in roles.targets if target in at.changed]
    return any(np.linalg.norm(here - centre) < apart for centre in left)

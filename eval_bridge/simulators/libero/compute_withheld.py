r"""Makes the table of `withheld_table`: what collection may know of LIBERO-PRO's variants, to keep away from them.

    python -m eval_bridge.simulators.libero.compute_withheld

Reads the definitions of all tasks, the evaluation states of the variants and their fixture poses, and measures colours
and sizes of ``_object``'s things. Physics only, and about two minutes of a CPU.
"""

import argparse
import json
import logging
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval_bridge.simulators.libero.environment import build_environment
from eval_bridge.simulators.libero.evaluation_states import evaluation_starts
from eval_bridge.simulators.libero.scene_queries import SceneQueries
from eval_bridge.simulators.libero.scene_things import TaskThings, read_things, replaced_things
from eval_bridge.simulators.libero.suites import get_suite, instruction_from_name, suite_names
from eval_bridge.simulators.libero.variant_looks import appearance, scale_between
from eval_bridge.simulators.libero.withheld_table import TABLE, UNIT
from eval_bridge.simulators.libero.withheld_words import plain
from rsd_jax.atomic_files import write_atomically
from rsd_jax.content_check import with_check

_SAME_COLOUR, _SAME_SIZE = 1.0, 0.01
"""CIE76 and relative difference below which a variant's thing has the colour, or the size, of the one it replaces."""

_logger = logging.getLogger("eval_bridge.simulators.libero.compute_withheld")  # also when run as a program


class _Task(NamedTuple):
    suite: str
    task: str

    def __str__(self) -> str:
        return f"{self.suite}/{self.task}"

    @property
    def base(self) -> "_Task":
        return _Task(get_suite(self.suite).base, self.task)


_Definitions = dict[_Task, TaskThings]
_Scenes = dict[_Task, str | None]
"""Task -> name of its scene, which is the first task of which a variant has it; None if there is none."""


def compute_table() -> dict[str, Any]:
    """The content of the file, without its check."""
    known = {
        _Task(suite, task): read_things(suite, task) for suite in suite_names() for task in get_suite(suite).tasks
    }
    bases = [task for task in known if task == task.base]
    variants = [task for task in known if task != task.base]
    names: dict[tuple[str, ...], str] = {}
    for task in variants:
        names.setdefault(known[task.base].scene, str(task.base))
    scene_of: _Scenes = {task: names.get(known[task.base].scene) for task in known}
    classes = {kind for task in bases for kind in known[task].classes.values()}
    layouts = _layouts(known, variants, scene_of)
    return {
        "reworded": sorted({plain(known[task].language) for task in variants if task.suite.endswith("_lan")}),
        "scenes": {name: list(scene) for scene, name in names.items()},
        "other_tasks": {
            name: sorted(
                {
                    plain(known[task].language)
                    for task in variants
                    if task.suite.endswith("_task") and scene_of[task] == name
                }
            )
            for name in names.values()
        },
        "classes": sorted(classes),
        "only_variants": sorted({kind for task in variants for kind in known[task].classes.values()} - classes),
        "looks": _looks(known, variants),
        "tasks": _base_tasks(known, bases, scene_of, layouts),
        "layouts": layouts,
    }


def _layouts(known: _Definitions, variants: list[_Task], scene_of: _Scenes) -> dict[str, dict[str, Any]]:
    """Scene -> task of a variant -> its goal and its places, as the file has them."""
    named: dict[str | None, set[str]] = {}
    for task, things in known.items():
        named.setdefault(scene_of[task], set()).update(_goal(known[task.base], things))
    layouts: dict[str, dict[str, Any]] = {}
    for task in variants:
        _logger.info("%s", task)
        base, things, scene = known[task.base], known[task], scene_of[task]
        assert scene is not None, "a variant has the scene of its base"
        others = layouts.setdefault(scene, {})
        places = variant_places(task, replaced_things(base, things), named[scene])
        others[str(task)] = {
            "goal": [thing for thing in _goal(base, things) if thing in places],
            "places": {thing: _stored(thing, _columns(array), others) for thing, array in sorted(places.items())},
        }
    return layouts


def _looks(known: _Definitions, variants: list[_Task]) -> dict[str, dict[str, Any]]:
    looks: dict[str, dict[str, Any]] = {}
    for task in variants:
        for replaced, look in variant_looks(task, known[task.base], known[task], looks).items():
            _logger.info("%s: in place of %s: %s", task, replaced, look)
            looks.setdefault(replaced, {}).update(look)
    return looks


def _base_tasks(
    known: _Definitions, bases: list[_Task], scene_of: _Scenes, layouts: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Suite -> task -> its scene, its goal without the table, which has no place, and its words."""
    tasks: dict[str, dict[str, Any]] = {}
    for task in bases:
        things, scene = known[task], scene_of[task]
        placed = next(iter(layouts[scene].values()))["places"] if scene is not None else {}
        tasks.setdefault(task.suite, {})[task.task] = {
            "scene": scene,
            "goal": [thing for thing in things.goal if thing in placed],
            "words": list(dict.fromkeys([plain(instruction_from_name(task.task)), plain(things.language)])),
        }
    return tasks


def variant_places(
    task: tuple[str, str], renamed: Mapping[str, str], wanted: set[str]
) -> dict[str, NDArray[np.float64]]:
    """Where things are in the states of a variant's task: thing, by its name in the base scene -> ``[N, 3]``.

    Args:
        task: its suite and name.
        renamed: thing of the variant -> its name in the base scene.
        wanted: names in the base scene. What has no place of its own, a table or a floor, is left out.
    """
    starts = evaluation_starts(*task)
    environment = build_environment(*task, initialization_noise=None).env
    queries = SceneQueries(environment)
    episodes = [
        {**queries.positions_in(start.state), **{name: pose[:3] for name, pose in start.fixture_poses.items()}}
        for start in starts
    ]
    environment.close()
    return {
        renamed[thing]: np.array([episode[thing] for episode in episodes])
        for thing in episodes[0]
        if renamed[thing] in wanted
    }


def variant_looks(
    task: tuple[str, str], base: TaskThings, variant: TaskThings, known: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """How things of a variant's task look beside those that they replace: class -> class -> look; not what is known.

    Things of another shape are no recolouring of what they replace and are left out.
    """
    pairs = {
        (base.classes[replaced], variant.classes[thing]): (replaced, thing)
        for thing, replaced in replaced_things(base, variant).items()
        if base.classes[replaced] != variant.classes[thing]
    }
    new = {kinds: things for kinds, things in pairs.items() if kinds[1] not in known.get(kinds[0], {})}
    if not new:
        return {}
    suite, name = task
    of_base, of_variant = (
        build_environment(each, name, initialization_noise=None).env for each in (get_suite(suite).base, suite)
    )
    found: dict[str, dict[str, Any]] = {}
    for (replaced, kind), (thing, other) in new.items():
        first, second = appearance(of_base, thing), appearance(of_variant, other)
        scale = scale_between(first, second)
        if scale is None:
            continue
        look: dict[str, Any] = {}
        if np.linalg.norm(first.colour - second.colour) > _SAME_COLOUR:
            look["colour"] = second.colour.round(1).tolist()
        if abs(scale - 1) > _SAME_SIZE:
            look["scale"] = round(scale, 3)
        found.setdefault(replaced, {})[kind] = look
    of_base.close()
    of_variant.close()
    return found


def main(arguments: list[str] | None = None) -> None:
    """Command line."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args(
        arguments
    )
    logging.basicConfig(format="%(message)s")
    logging.getLogger("eval_bridge").setLevel(logging.INFO)
    os.environ["MUJOCO_GL"] = "disabled"
    write_atomically(TABLE, _one_line_per_list(with_check(compute_table())) + "\n")


def _goal(base: TaskThings, things: TaskThings) -> list[str]:
    """What a goal names, in names of the base scene."""
    renamed = replaced_things(base, things)
    return [renamed[name] for name in things.goal]


def _stored(thing: str, columns: list[int | list[int]], others: Mapping[str, Any]) -> list[int | list[int]] | str:
    """The places of a thing, or the name of a task that has them already."""
    return next((name for name, other in others.items() if other["places"][thing] == columns), columns)


def _columns(places: NDArray[np.float64]) -> list[int | list[int]]:
    steps = np.rint(places / UNIT).astype(int)
    return [int(column[0]) if np.ptp(column) == 0 else column.tolist() for column in steps.T]


def _one_line_per_list(value: Any, depth: int = 0) -> str:
    """JSON with an object over several lines, and a list, such as a thing's places, on one."""
    if not isinstance(value, Mapping) or not value:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    indent = " " * (depth + 1)
    lines = (f"{indent}{json.dumps(key)}: {_one_line_per_list(item, depth + 1)}" for key, item in value.items())
    return "{\n" + ",\n".join(lines) + f"\n{indent[1:]}}}"


if __name__ == "__main__":
    main()

"""What the definition of a LIBERO task names: its scene, what its goal is about, its own words. Builds no scene."""

from collections.abc import Mapping
from typing import NamedTuple

from eval_bridge.simulators.libero.task_files import task_definition


class TaskThings(NamedTuple):
    """What a definition names.

    Attributes:
        classes: object or fixture -> its class; the table or the floor is among the fixtures.
        predicates: the goal's conditions, each its name and what it is about: things, or regions of things.
        language: the definition's instruction.
        movable_classes: classes of the objects, which move; those of fixtures do not.
    """

    classes: Mapping[str, str]
    predicates: tuple[tuple[str, ...], ...]
    language: str
    movable_classes: frozenset[str] = frozenset()

    @property
    def scene(self) -> tuple[str, ...]:
        """All objects and fixtures, sorted: tasks with the same ones have the same scene."""
        return tuple(sorted(self.classes))

    @property
    def goal(self) -> tuple[str, ...]:
        """The objects and fixtures that the goal names, itself or a region of them, each once."""
        return tuple(dict.fromkeys(self.thing_of(name) for words in self.predicates for name in words[1:]))

    def thing_of(self, name: str) -> str:
        """The object or fixture that `name` is, or is a region of.

        Raises:
            ValueError: there is none.
        """
        found = [thing for thing in self.classes if name == thing or name.startswith(f"{thing}_")]
        if not found:
            raise ValueError(f"{name!r} of the goal is nothing of the scene; it has {', '.join(self.scene)}.")
        return max(found, key=len)


def read_things(suite: str, task: int | str) -> TaskThings:
    """Reads the definition of a task.

    Raises:
        UnknownName: no such suite or task.
    """
    definition = task_definition(suite, task)
    from libero.libero.envs import bddl_utils

    problem = bddl_utils.robosuite_parse_problem(str(definition))
    declared = [*problem["objects"].items(), *problem["fixtures"].items()]
    return TaskThings(
        classes={name: kind for kind, names in declared for name in names},
        predicates=tuple(tuple(words) for words in problem["goal_state"]),
        language=bddl_utils.get_problem_info(str(definition))["language_instruction"].strip().lower(),
        movable_classes=frozenset(problem["objects"]),
    )


def replaced_things(base: TaskThings, variant: TaskThings) -> dict[str, str]:
    """Thing of `variant` -> thing of `base` in whose place it is, for all of them: itself, if the scene is the same.

    Otherwise a variant has other objects where the goal names them, and names its conditions in the same order; where
    one of a class is replaced, all of that class are.

    Raises:
        ValueError: the scenes do not correspond so.
    """
    if variant.scene == base.scene:
        return {thing: thing for thing in base.scene}
    classes = {}
    for words, others in zip(base.predicates, variant.predicates, strict=True):
        for name, other in zip(words[1:], others[1:], strict=True):
            thing, replacement = base.thing_of(name), variant.thing_of(other)
            if thing != replacement:
                classes[variant.classes[replacement]] = base.classes[thing]
    renamed = {
        thing: thing.replace(kind, classes[kind]) if kind in classes else thing
        for thing, kind in variant.classes.items()
    }
    if tuple(sorted(renamed.values())) != base.scene:
        raise ValueError(
            f"the scenes do not correspond: {', '.join(variant.scene)} with {classes} is not {', '.join(base.scene)}"
        )
    return renamed

"""What a compiled scene has beside, or unlike, its task's own: strangers, stand-ins, and sizes of things.

All are fixed when a scene is compiled, so they are drawn for a run and a task, not for an episode. A demonstration
file tells them by its definition, and its states fit no other scene.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from eval_bridge.simulators.libero.layout.settings import LayoutSettings
from eval_bridge.simulators.libero.looks.settings import LooksSettings
from eval_bridge.simulators.libero.scene_things import read_things
from eval_bridge.simulators.libero.sizes import choose_sizes, definition_with_sizes, resized, sizes_in, withheld_sizes
from eval_bridge.simulators.libero.stand_ins import (
    choose_stand_ins,
    definition_with_stand_ins,
    replaced,
    stand_ins_in,
    withheld_stand_ins,
)
from eval_bridge.simulators.libero.strangers import choose_strangers, definition_with_strangers, name_of, strangers_in
from eval_bridge.simulators.libero.task_files import task_definition
from eval_bridge.simulators.libero.withheld_looks import withheld_classes


@dataclass(frozen=True)
class SceneChanges:
    """Of a task's scene; by default none.

    Attributes:
        strangers: classes of things of other scenes that it has beside its own.
        stand_ins: class -> class of what is in the place of its things.
        sizes: class -> how many times as large its things, or their stand-ins, are.
    """

    strangers: tuple[str, ...] = ()
    stand_ins: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, float] = field(default_factory=dict)

    @property
    def stranger_names(self) -> tuple[str, ...]:
        """The objects that the strangers are."""
        return tuple(map(name_of, self.strangers))

    def written_into(self, definition: str) -> str:
        """A task's definition (BDDL) that tells them; the same without any.

        Raises:
            ValueError: it has no place for a stranger.
        """
        changed = definition_with_strangers(definition, self.strangers)
        return definition_with_sizes(definition_with_stand_ins(changed, self.stand_ins), self.sizes)

    @property
    def withheld(self) -> list[str]:
        """Why it may not be trained on, for each stranger, stand-in and size that may not; empty if it may.

        Raises:
            UnknownName: a class that neither LIBERO's suites nor the variants have.
        """
        classes = withheld_classes((*self.strangers, *self.stand_ins.values()))
        return classes + withheld_stand_ins(self.stand_ins) + withheld_sizes(self.sizes)

    @staticmethod
    def told_by(definition: str) -> "SceneChanges":
        """The changes that `written_into` has put into a definition."""
        return SceneChanges(strangers_in(definition), stand_ins_in(definition), sizes_in(definition))


UNCHANGED = SceneChanges()
"""A task's scene as it is."""


def choose_changes(suite: str, task: str, layout: LayoutSettings, looks: LooksSettings, seed: int) -> SceneChanges:
    """Draws the changes of a task's scene in a run.

    Args:
        suite: of LIBERO itself.
        task: name of the task.
        layout: how many strangers there are.
        looks: how likely stand-ins are, and how sizes may differ.
        seed: of the run.

    Raises:
        UnknownName: no such suite or task.
        ValueError: there are not so many strangers.
    """
    strangers = choose_strangers(suite, task, layout.strangers, seed)
    stand_ins: Mapping[str, str] = {}
    sizes: Mapping[str, float] = {}
    if looks.stand_in_probability:
        stand_ins = choose_stand_ins(suite, task, strangers, looks.stand_in_probability, seed)
    if looks.size_probability:
        kinds = {*read_things(suite, task).movable_classes, *strangers}
        sizes = choose_sizes(suite, task, kinds, looks.size_probability, looks.smallest, looks.largest, seed)
    return SceneChanges(strangers, stand_ins, sizes)


@contextmanager
def changed_scene(suite: str, task: int | str, changes: SceneChanges) -> Iterator[Path]:
    """A block in which a task's scene compiles with changes, from the definition of this path."""
    path = task_definition(suite, task)
    if changes == UNCHANGED:
        yield path
        return
    folders = tempfile.TemporaryDirectory(prefix="rsd_scene_")
    with folders as folder, replaced(changes.stand_ins), resized(changes.sizes):
        changed = Path(folder) / path.name
        changed.write_text(changes.written_into(path.read_text(encoding="utf-8")), encoding="utf-8")
        yield changed

"""How close demonstrations come to what policies are evaluated on: their starts, layouts, looks, sizes and words."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from eval_bridge.collection.demo_scene import simulator_of
from eval_bridge.collection.layout_audit import DemoLayout, LayoutAudit, audit_layouts
from eval_bridge.collection.looks_audit import LooksAudit, audit_looks, measure_colours
from eval_bridge.simulators.libero.environment import LiberoSimulator
from eval_bridge.simulators.libero.evaluation_states import evaluation_starts
from eval_bridge.simulators.libero.scene_changes import UNCHANGED, SceneChanges
from eval_bridge.simulators.libero.start_distance import (
    NearestPair,
    StartPositions,
    nearest_pair,
    nearest_pair_within,
    positions_of,
)
from eval_bridge.simulators.libero.suites import get_suite
from eval_bridge.simulators.libero.withheld_table import Withheld
from eval_bridge.simulators.libero.withheld_words import check_instruction, shared_words
from rsd_jax.atomic_files import write_atomically
from rsd_jax.demos.libero_hdf5 import read_instructions
from rsd_jax.demos.libero_hdf5.dataset import Hdf5Demos
from rsd_jax.demos.libero_hdf5.layout_order import layouts_in_order
from rsd_jax.file_digests import file_digest
from rsd_jax.run_folder import suite_demo_paths, task_of

COINCIDENCE = 1e-6
"""Metres and radians below which two starts count as the same: files may hold single precision."""


class WordAudit(NamedTuple):
    """What the audit of the instructions in a file found.

    Attributes:
        withheld: instructions that must not be trained on.
        shared: words of the others that instructions of variants have too, which is no reason to refuse them.
    """

    withheld: tuple[str, ...]
    shared: tuple[str, ...]


class TaskAudit(NamedTuple):
    """What the audit of one demonstration file found.

    Attributes:
        task: name of the task.
        sha256: digest of the file.
        demos: number of demonstrations.
        seed: of the demonstration that comes closest; -1 if the file does not tell it.
        closest: that demonstration's index, and an evaluation state's.
        closest_evaluation_states: the nearest two evaluation states.
        layouts: how near the layouts come to those of variants; None of demonstrations of a variant.
        words: which instructions, and words of them, variants have; None likewise.
        looks: how near things that were recoloured come to those of variants; None likewise.
        changes: of the scene that they are of.
    """

    task: str
    sha256: str
    demos: int
    seed: int
    closest: NearestPair
    closest_evaluation_states: NearestPair
    layouts: LayoutAudit | None
    words: WordAudit | None
    looks: LooksAudit | None
    changes: SceneChanges

    @property
    def is_apart(self) -> bool:
        """Whether no demonstration starts in an evaluation state."""
        return max(self.closest.objects, self.closest.arm) > COINCIDENCE

    @property
    def refusals(self) -> list[str]:
        """Why the demonstrations must not be trained on, each to follow their name; empty if they may be."""
        found = [] if self.is_apart else ["start in evaluation states"]
        if self.layouts is None or self.words is None or self.looks is None:
            return [*found, "are of a variant"]
        if self.words.withheld:
            found.append(f"have instructions of variants ({'; '.join(self.words.withheld)})")
        if too_near := self.changes.withheld:
            found.append(f"are of a scene like a variant's ({'; '.join(too_near)})")
        return found + self.layouts.refusals + self.looks.refusals

    @property
    def is_clean(self) -> bool:
        """Whether the demonstrations may be trained on."""
        return not self.refusals

    def values(self) -> dict[str, Any]:
        """As JSON values."""
        scale = self.closest_evaluation_states
        return {
            "sha256": self.sha256,
            "demos": self.demos,
            "smallest_distance": {
                "objects_m": self.closest.objects,
                "arm_rad": self.closest.arm,
                "demo": self.closest.first,
                "seed": self.seed,
                "evaluation_state": self.closest.second,
            },
            "among_evaluation_states": {"objects_m": scale.objects, "arm_rad": scale.arm},
            "layouts_of_variants": None if self.layouts is None else self.layouts.values(),
            "words_of_variants": None if self.words is None else self.words._asdict(),
            "looks_of_variants": None if self.looks is None else self.looks.values(),
            "scene_changes": {
                "strangers": list(self.changes.strangers),
                "stand_ins": dict(self.changes.stand_ins),
                "sizes": dict(self.changes.sizes),
            },
            "refusals": self.refusals,
            "is_clean": self.is_clean,
        }


def audit_suite(suite: str, folder: Path) -> Iterator[TaskAudit]:
    """Audits the demonstration files of a suite, in the order of its tasks.

    Raises:
        FileNotFoundError: there are none.
        ValueError: a file is damaged, does not tell its starts, or belongs to no task of the suite.
    """
    files = {get_suite(suite).task_index(task_of(path)): path for path in suite_demo_paths(folder)}
    if not files:
        raise FileNotFoundError(f"{folder} holds no demonstrations (*_demo.hdf5).")
    for _, path in sorted(files.items()):
        yield audit_file(suite, path)


def audit_file(suite: str, path: Path) -> TaskAudit:
    """Compares one file with the evaluation states of its task, and with what its variants have.

    Raises:
        ValueError: the file is damaged, does not tell its starts, or holds states of another scene.
    """
    starts, seeds = [], []
    for demo in Hdf5Demos.open(path):
        starts.append(demo.require_simulation().start)
        seeds.append(demo.seed)
    task = task_of(path)
    simulator = simulator_of(path, suite, task)
    queries = simulator.queries
    sizes, expected = {start.state.size for start in starts}, simulator.state().size
    if sizes != {expected}:
        raise ValueError(f"{path} holds states of {sorted(sizes)} numbers; those of {task} have {expected}.")
    own = [name for name in queries.object_names if name not in simulator.changes.stranger_names]
    demonstrated = positions_of(queries, [start.state for start in starts], own)
    states = _evaluated_positions(simulator, own)
    layouts = [
        DemoLayout(
            {**queries.positions_in(start.state), **{name: pose[:3] for name, pose in start.fixture_poses.items()}},
            is_random=bool(layout),
            seed=seed,
        )
        for start, layout, seed in zip(starts, layouts_in_order(path), seeds, strict=True)
    ]
    is_variant = get_suite(suite).is_variant
    colours = [] if is_variant else [measure_colours(simulator.looks, start.looks) for start in starts]
    simulator.close()
    closest = nearest_pair(demonstrated, states)
    return TaskAudit(
        task=task,
        sha256=file_digest(path),
        demos=len(starts),
        seed=seeds[closest.first],
        closest=closest,
        closest_evaluation_states=nearest_pair_within(states),
        layouts=None if is_variant else audit_layouts(suite, task, layouts),
        words=None if is_variant else audit_words(suite, task, read_instructions(path)),
        looks=None if is_variant else audit_looks(colours, seeds),
        changes=simulator.changes,
    )


def _evaluated_positions(simulator: LiberoSimulator, names: Sequence[str]) -> StartPositions:
    """Of a task's evaluation states, which are of the scene without changes."""
    own = LiberoSimulator(simulator.suite, simulator.task) if simulator.changes != UNCHANGED else simulator
    evaluated = [start.state for start in evaluation_starts(own.suite, own.task)]
    positions = positions_of(own.queries, evaluated, names)
    if own is not simulator:
        own.close()
    return positions


def audit_words(suite: str, task: str, instructions: Sequence[str]) -> WordAudit:
    """Compares instructions of demonstrations of a task with those of variants.

    Raises:
        UnknownName: `suite` is none of LIBERO's own, or has no such task.
    """
    withheld, shared = [], set()
    for instruction in instructions:
        try:
            check_instruction(suite, task, instruction)
        except Withheld:
            withheld.append(instruction)
        else:
            shared.update(shared_words(suite, task, instruction))
    return WordAudit(tuple(withheld), tuple(sorted(shared)))


def write(path: Path, audits: list[TaskAudit]) -> None:
    """Writes the audits of a suite as JSON, whole or not at all."""
    write_atomically(path, json.dumps({audit.task: audit.values() for audit in audits}, indent=1) + "\n")

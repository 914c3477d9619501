"""Program of a test: collects a demonstration of a real task in a layout, and tells which files of states were opened.

python -m tests.eval_bridge.collection.collecting_while_watched FOLDER
"""

import json
import os
import re
import sys
from functools import partial
from pathlib import Path

STATES = re.compile(r"\.pruned_init|\.init\b|/init_files/")
"""In paths of states that policies are evaluated on, of LIBERO and of its variants."""

_opened: list[str] = []


def watch(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook: keeps the paths of all files that are opened."""
    if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        _opened.append(os.fsdecode(arguments[0]))


def opened_states() -> list[str]:
    """Files of states among those opened until now."""
    return [path for path in _opened if STATES.search(path)]


def main(folder: Path) -> None:
    """Prints, as JSON, what was collected, the definitions and the states opened, and those opened on purpose."""
    sys.addaudithook(watch)  # before anything of the project is imported
    from eval_bridge.collection.recording import RecordingSettings
    from eval_bridge.collection.worker import CollectionTask, CollectionWorker, Merge, Record
    from eval_bridge.experts.libero_expert import describe_libero_scene, libero_expert
    from eval_bridge.simulators.libero.environment import LiberoSimulator
    from eval_bridge.simulators.libero.layout.settings import DEVELOPMENT_LAYOUTS
    from eval_bridge.simulators.libero.layout.starting import draw_start_in_layout
    from eval_bridge.simulators.libero.looks.drawing import add_looks
    from eval_bridge.simulators.libero.looks.settings import DEVELOPMENT_LOOKS
    from eval_bridge.simulators.libero.suites import get_suite

    suite, name = "libero_spatial", get_suite("libero_spatial").tasks[2]
    task = CollectionTask(
        suite=suite,
        task=name,
        build_simulator=partial(LiberoSimulator, suite, name),
        expert=libero_expert,
        describe_scene=partial(describe_libero_scene, suite, name, {}),
        recording=RecordingSettings(220, images=False, layout=DEVELOPMENT_LAYOUTS, looks=DEVELOPMENT_LOOKS),
        draw_start=draw_start_in_layout,
        add_looks=add_looks,
    )
    worker, part = CollectionWorker([task]), folder / "0.part"
    attempt = worker.run(Record(0, 0, part), _refuse)
    worker.run(Merge(0, (part,), folder / "demo.hdf5"), _refuse)
    worker.close()
    found = {
        "is_success": attempt is not None and attempt.is_success,
        "definitions": sum(path.endswith(".bddl") for path in _opened),
        "tables": sum(path.endswith("withheld.json") for path in _opened),
        "states": opened_states(),
    }
    from eval_bridge.simulators.libero.evaluation_states import evaluation_starts

    evaluation_starts("libero_spatial_swap", 0)
    print(json.dumps(found | {"on_purpose": opened_states()}))


def _refuse(question: object) -> None:
    raise AssertionError(f"nothing is asked, got {question}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

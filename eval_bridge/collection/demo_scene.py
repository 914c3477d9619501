"""The scene of a file's demonstrations, compiled again."""

from pathlib import Path

from eval_bridge.simulators.libero.environment import LiberoSimulator
from eval_bridge.simulators.libero.scene_changes import SceneChanges
from rsd_jax.demos.libero_hdf5.reading import read_definition


def simulator_of(path: Path, suite: str, task: str) -> LiberoSimulator:
    """Of the task that a file's demonstrations are of, with the changes that their scene has.

    Raises:
        UnknownName: no such suite or task.
        DemoFileError: the file is damaged.
    """
    return LiberoSimulator(suite, task, SceneChanges.told_by(read_definition(path)))

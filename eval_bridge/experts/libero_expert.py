"""The scripted expert in LIBERO, and what a demonstration file says about where it was recorded."""

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from eval_bridge.experts.libero_scene import LiberoScene
from eval_bridge.experts.scripted_expert import ScriptedExpert
from eval_bridge.experts.style_record import StyleRecord
from eval_bridge.simulators.libero.environment import LiberoSimulator
from eval_bridge.simulators.libero.scene_changes import UNCHANGED, SceneChanges
from eval_bridge.simulators.libero.task_files import task_definition
from rsd_jax.demos.frames import RENDER_SIZE
from rsd_jax.demos.libero_hdf5 import SceneDescription

_PROBLEM = re.compile(r"\(define \(problem (\w+)\)")


def libero_expert(simulator: LiberoSimulator, style: StyleRecord) -> Iterator[NDArray[np.float32]]:
    """Clean actions ``[7]`` from the state in which `simulator` is, to the goal of its task, in a style."""
    return ScriptedExpert(LiberoScene(simulator.queries), style=style).actions()


def describe_libero_scene(
    suite: str, task: int | str, versions: dict[str, str], changes: SceneChanges = UNCHANGED
) -> SceneDescription:
    """The attributes of an official demonstration file, from the task's definition, with the scene's changes.

    Raises:
        ValueError: the definition names no problem class.
    """
    definition = task_definition(suite, task)
    content = changes.written_into(definition.read_text(encoding="utf-8"))
    problem = _PROBLEM.search(content)
    if problem is None:
        raise ValueError(f"{definition} does not start with '(define (problem NAME)'")
    bddl_name = f"bddl_files/{definition.parent.name}/{definition.name}"
    arguments = {
        "robots": ["Panda"],
        "controller_configs": {"type": "OSC_POSE"},
        "control_freq": 20,
        "camera_names": ["robot0_eye_in_hand", "agentview"],
        "camera_heights": RENDER_SIZE,
        "camera_widths": RENDER_SIZE,
        "bddl_file_name": bddl_name,
        "initialization_noise": "default",
    }
    return SceneDescription(
        env_name=problem.group(1),
        env_args={"type": 1, "env_name": problem.group(1), "bddl_file": bddl_name, "env_kwargs": arguments},
        bddl_file_name=bddl_name,
        bddl_file_content=content,
        versions=versions,
    )

"""Where LIBERO keeps a task's definition, and which instruction belongs to it."""

from pathlib import Path

from eval_bridge.simulators.libero.quiet_import import import_libero
from eval_bridge.simulators.libero.suites import get_suite, instruction_from_name


def task_definition(suite: str, task: int | str) -> Path:
    """Path of the task's BDDL file.

    Raises:
        UnknownName: no such suite or task.
    """
    import_libero()
    from libero.libero import get_libero_path

    found = get_suite(suite)
    return Path(get_libero_path("bddl_files")).resolve() / found.name / f"{found.task_name(task)}.bddl"


def task_instruction(suite: str, task: int | str) -> str:
    """The instruction of an episode.

    For LIBERO's own suites it is the task's name in words (what published results use; the BDDL files word it
    slightly differently). LIBERO-PRO's variants share these names, and only their BDDL files hold the instruction.
    """
    found = get_suite(suite)
    if not found.is_variant:
        return instruction_from_name(found.task_name(task))
    definition = task_definition(suite, task)
    from libero.libero.envs import bddl_utils

    return bddl_utils.get_problem_info(str(definition))["language_instruction"].strip().lower()


def initial_states_file(suite: str, task: int | str) -> Path:
    """Path of the task's evaluation states; only `evaluation_states` reads it."""
    import_libero()
    from libero.libero import get_libero_path

    found = get_suite(suite)
    return Path(get_libero_path("init_states")).resolve() / found.name / f"{found.task_name(task)}.pruned_init.npz"

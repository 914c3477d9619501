"""Which instructions may not be trained on. Pure functions of the table of what is withheld.

Withheld are those of ``_lan``, whatever the scene, and those of ``_task`` in their own scenes. The words that a task
has in LIBERO itself are its own, also where a variant shares them.
"""

from eval_bridge.simulators.libero.withheld_table import Withheld, WithheldTable, load_withheld
from rsd_jax.backbones.instruction import words_of


def check_instruction(suite: str, task: str, words: str, table: WithheldTable | None = None) -> None:
    """Accepts an instruction that may be trained on in the scene of a task; case and punctuation make no difference.

    Raises:
        UnknownName: no such suite or task.
        Withheld: it may not.
    """
    table = table or load_withheld()
    own, text = table.base_task(suite, task), plain(words)
    if text in own.words:
        return
    if text in table.reworded:
        raise Withheld(
            f"{words!r} is an instruction of a _lan variant, which judges whether other words are understood"
        )
    if own.scene and text in table.other_tasks[own.scene]:
        raise Withheld(f"{words!r} is what a _task variant asks for in the scene of {suite}/{task}")


def shared_words(suite: str, task: str, instruction: str, table: WithheldTable | None = None) -> list[str]:
    """Words of an instruction that instructions of ``_lan``, or of ``_task`` in the same scene, have too, sorted.

    Raises:
        UnknownName: no such suite or task.
    """
    table = table or load_withheld()
    own = table.base_task(suite, task)
    others = table.reworded | (table.other_tasks[own.scene] if own.scene else frozenset())
    return sorted(set(words_of(instruction)) & {word for text in others for word in text.split()})


def plain(words: str) -> str:
    """An instruction as instructions are compared: lower-case words, one space between them."""
    return " ".join(words_of(words))

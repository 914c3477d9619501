"""The passes behind those that are written out: a loop that is entered only where a row needs it."""

from collections.abc import Callable
from typing import TypeVar

import jax

State = TypeVar("State")


def further_passes(
    unfinished: Callable[[State], jax.Array], one_pass: Callable[[State], State], state: State, written: int
) -> State:
    """Repeats `one_pass` while a row is unfinished.

    Args:
        unfinished: of the state, a boolean scalar. one_pass: traceable.
        state: after the passes that were written out.
        written: how many those were. Behind some the loop stands in a branch: what its body computes of parameters
            alone a compiler moves out of a loop, and would compute at every call, where hardly any enters it.
    """

    def loop(state: State) -> State:
        result: State = jax.lax.while_loop(unfinished, one_pass, state)
        return result

    if not written:
        return loop(state)
    finished: State = jax.lax.cond(unfinished(state), loop, lambda state: state, state)
    return finished

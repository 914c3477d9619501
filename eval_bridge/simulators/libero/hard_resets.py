"""LIBERO's hard resets, which compile the scene anew, without compiling it: the same draws a hundred times faster.

Published evaluations reset by ``env.reset()`` with ``hard_reset=True``. What such a reset draws from NumPy's global
generator is, in this order:

1. seven normal deviates for the arm's joints, even where their scale is 0;
2. one uniform deviate for each sampler of a drawer, door or knob in ``object_property_initializers``. LIBERO appends
   the task's samplers to that list when it compiles the scene and never empties it, so that the k-th reset of an
   environment draws each of them k + 1 times (the last draw counts);
3. a region, x, y and an angle for each fixture and object, again and again where it would overlap another one. What
   stands on or in a fixture overlaps by the places that the samplers find in the simulation: there the fixture is
   still at its compiled pose.

All of it happens in the part of the reset that soft resets share, given the compiled fixture poses and the list as
long as LIBERO would have made it.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from eval_bridge.simulators.interface import EpisodeStart
from eval_bridge.simulators.libero.reset import global_generator, reset_randomly, seeded
from eval_bridge.simulators.libero.state_capture import capture_start


def hard_reset_starts(env: Any, seed: int) -> Iterator[EpisodeStart]:
    """Where hard resets would bring a new environment, one after another, after a single ``env.seed(seed)``.

    NumPy's global generator and the environment's list of samplers are as they were whenever an element is out.

    Args:
        env: LIBERO's environment, built with ``hard_reset=False`` and the ``initialization_noise`` in question.
        seed: at least 0, below 2**32.

    Yields:
        State and fixture poses after each reset, without end.

    Raises:
        ValueError: the seed is out of range.
        RuntimeError: the objects could not be placed.
    """
    state = seeded(seed)
    own_initializers = tuple(env.object_property_initializers)
    grown = own_initializers
    while True:
        with global_generator(state):
            env.object_property_initializers[:] = grown
            try:
                reset_randomly(env, added_initializers=own_initializers)
                grown = tuple(env.object_property_initializers)
            finally:
                env.object_property_initializers[:] = own_initializers
            state = dict(np.random.get_state(legacy=False))  # noqa: NPY002 - what LIBERO draws from
            start = capture_start(env)
        yield start

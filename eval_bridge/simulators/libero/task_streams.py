"""Random numbers of a seed and a task, apart for each thing that is drawn by them."""

import zlib
from enum import IntEnum

import numpy as np


class TaskStream(IntEnum):
    """What is drawn. Of an episode's seed alone are the simulator's draws, noise (1), style (2) and takeover (3)."""

    LAYOUT = 4
    LOOKS = 5
    STRANGERS = 6
    SIZES = 7
    STAND_INS = 8


def task_generator(seed: int, stream: TaskStream, suite: str, task: str) -> np.random.Generator:
    """The generator of a stream; the task is in it, or tasks would have the same draws, seed by seed.

    Args:
        seed: of the episode, or of the run for what is compiled.
        stream: what is drawn.
        suite: of the task.
        task: its name.
    """
    return np.random.default_rng([seed, stream, zlib.crc32(f"{suite}/{task}".encode())])

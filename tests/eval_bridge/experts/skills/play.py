"""Runs a skill in a scene."""

import numpy as np


def play(scene, actions, longest: int = 500) -> list[np.ndarray]:
    """Executes every action; returns where the hand was after each, ``[3]``."""
    path = []
    for action in actions:
        assert action.dtype == np.float32
        scene.execute(action)
        path.append(scene.hand_position)
        assert len(path) < longest
    return path

"""The two made-up episodes that the files of this folder hold. Any environment can import it: it needs NumPy alone."""

from typing import NamedTuple

import numpy as np

SIZE = 256
SUITE = "libero_spatial"
TASKS = ("pick_up_the_black_bowl_and_place_it_on_the_plate", "open_the_middle_drawer_of_the_cabinet")


class GoldenEpisode(NamedTuple):
    """What was put into the files. Frames are upright; the gripper is -1 open / +1 closed; actions lie in [-1, 1]."""

    task: str
    instruction: str
    actions: np.ndarray
    state: np.ndarray
    agentview: np.ndarray
    wrist: np.ndarray


def golden_episode(index: int) -> GoldenEpisode:
    steps = 6 + index
    generator = np.random.default_rng(index)
    actions = generator.uniform(-0.9, 0.9, (steps, 7)).astype(np.float32)
    actions[:, 6] = np.where(np.arange(steps) < steps // 2, -1.0, 1.0)
    task = TASKS[index]
    return GoldenEpisode(
        task=task,
        instruction=task.replace("_", " "),
        actions=actions,
        state=generator.uniform(-1, 1, (steps, 8)).astype(np.float32),
        agentview=np.stack([_scene(index, step, marker=60) for step in range(steps)]),
        wrist=np.stack([_scene(index, step, marker=180) for step in range(steps)]),
    )


def _scene(episode: int, step: int, marker: int) -> np.ndarray:
    """Tiles bright at the top left, and a disc that moves with the steps: no symmetry that hides a turn."""
    rows, columns = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    tile_row, tile_column = np.floor(rows * 8) / 8, np.floor(columns * 8) / 8  # tiles compress well
    red, green = 200 - 120 * tile_row, 180 - 150 * tile_column
    frame = np.stack([red, green, 60 + 90 * tile_row * tile_column + 20 * episode], axis=-1)
    centre = ((marker + 6 * step) / SIZE, 0.3)
    inside = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < 0.01
    frame[inside] = (220, 60, 40)
    return frame.astype(np.uint8)

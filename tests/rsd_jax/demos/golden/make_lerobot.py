"""Writes lerobot_VERSION by lerobot itself: the version of the format is that of the installed library.

Needs an environment of its own: ``pip install lerobot==0.3.3`` for v2.1, ``pip install lerobot==0.4.4`` for v3.0; then
``python make_lerobot.py``. The committed files were made by exactly these two.
"""

import shutil
import tempfile
from pathlib import Path

from golden_episodes import golden_episode
from lerobot.datasets.lerobot_dataset import CODEBASE_VERSION, LeRobotDataset

HERE = Path(__file__).parent

FEATURES = {
    "observation.images.image": {"dtype": "video", "shape": (256, 256, 3), "names": ["height", "width", "channel"]},
    "observation.images.image2": {"dtype": "video", "shape": (256, 256, 3), "names": ["height", "width", "channel"]},
    "observation.state": {"dtype": "float32", "shape": (8,), "names": ["state"]},
    "action": {"dtype": "float32", "shape": (7,), "names": ["action"]},
}

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "libero"
        # LIBERO's steps are 20 a second; the published datasets say 10.
        dataset = LeRobotDataset.create("golden/libero", fps=10, features=FEATURES, root=root, robot_type="panda")
        for index in range(2):
            episode = golden_episode(index)
            for step in range(len(episode.actions)):
                frame = {
                    "observation.images.image": episode.agentview[step],
                    "observation.images.image2": episode.wrist[step],
                    "observation.state": episode.state[step],
                    "action": episode.actions[step],
                }
                if CODEBASE_VERSION == "v2.1":
                    dataset.add_frame(frame, task=episode.instruction)
                else:
                    dataset.add_frame(frame | {"task": episode.instruction})
            dataset.save_episode()
        if CODEBASE_VERSION != "v2.1":
            dataset.finalize()
        target = HERE / f"lerobot_{CODEBASE_VERSION}"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(root, target)
        shutil.rmtree(target / "images", ignore_errors=True)  # what is left of the encoder's input
        for video in target.rglob("*.mp4"):
            video.chmod(0o644)

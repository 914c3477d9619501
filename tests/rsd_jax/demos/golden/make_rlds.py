"""Writes rlds/libero_spatial_no_noops/1.0.0 by tensorflow-datasets, with the features of OpenVLA's LIBERO builds.

Needs an environment of its own: ``pip install tensorflow-cpu tensorflow-datasets``, then ``python make_rlds.py``.
The committed files were made by tensorflow-datasets 4.9.10 and tensorflow-cpu 2.21.0.
"""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds
from golden_episodes import SUITE, golden_episode

HERE = Path(__file__).parent


class LiberoSpatialNoNoops(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        def image() -> tfds.features.Image:
            return tfds.features.Image(shape=(256, 256, 3), dtype=np.uint8, encoding_format="jpeg")

        def vector(size: int) -> tfds.features.Tensor:
            return tfds.features.Tensor(shape=(size,), dtype=np.float32)

        step = {
            "observation": {"image": image(), "wrist_image": image(), "state": vector(8), "joint_state": vector(7)},
            "action": vector(7),
            "discount": tfds.features.Scalar(dtype=np.float32),
            "reward": tfds.features.Scalar(dtype=np.float32),
            "is_first": tfds.features.Scalar(dtype=np.bool_),
            "is_last": tfds.features.Scalar(dtype=np.bool_),
            "is_terminal": tfds.features.Scalar(dtype=np.bool_),
            "language_instruction": tfds.features.Text(),
        }
        episode = {"steps": tfds.features.Dataset(step), "episode_metadata": {"file_path": tfds.features.Text()}}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(episode))

    def _split_generators(self, _manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for index in range(2):
            episode = golden_episode(index)
            path = f"/data/{SUITE}_no_noops/{episode.task}_demo.hdf5"
            yield f"{path}_{index}", {"steps": _steps(episode), "episode_metadata": {"file_path": path}}


def _steps(episode) -> list[dict]:
    last = len(episode.actions) - 1
    return [
        {
            "observation": {
                "image": episode.agentview[step],
                "wrist_image": episode.wrist[step],
                "state": episode.state[step],
                "joint_state": np.zeros(7, np.float32),
            },
            "action": episode.actions[step],
            "discount": 1.0,
            "reward": float(step == last),
            "is_first": step == 0,
            "is_last": step == last,
            "is_terminal": step == last,
            "language_instruction": episode.instruction,
        }
        for step in range(last + 1)
    ]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        builder = LiberoSpatialNoNoops(data_dir=scratch)
        builder.download_and_prepare()
        target = HERE / "rlds"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(Path(scratch) / "libero_spatial_no_noops", target / "libero_spatial_no_noops")

"""Names in LeRobot datasets that reading and writing share."""

from rsd_jax.actions.conventions import LIBERO
from rsd_jax.demos.feature_keys import FeatureKeys

INFO_FILE = "meta/info.json"
TASKS_FILE = "meta/tasks.parquet"
STATS_FILE = "meta/stats.json"
DIGESTS_FILE = "meta/digests.json"
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"

WRITTEN_FPS = round(LIBERO.control_rate)
"""Rate of the datasets that are written."""

CHUNK_SIZE = 1000
"""Files in a folder."""

DATA_FILE_MB, VIDEO_FILE_MB = 100, 200
"""Size at which another file is begun: LeRobot's own limits."""

LABEL_KEY = "expert_action"
"""Column of the clean labels, where actions were disturbed."""

TASK_COLUMN = "__index_level_0__"
"""Column of the instructions in `TASKS_FILE`: the unnamed index of a pandas table."""


WRITTEN_KEYS = FeatureKeys("observation.images.image", "observation.images.image2", "observation.state", "action")

KNOWN_KEYS = (
    WRITTEN_KEYS,
    FeatureKeys("observation.images.image", "observation.images.wrist_image", "observation.state", "action"),
    FeatureKeys("image", "wrist_image", "state", "actions"),
)
"""Names that published datasets of LIBERO use: LeRobot's own, those converted from RLDS, and those of openpi."""

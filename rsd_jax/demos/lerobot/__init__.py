"""LeRobot datasets of LIBERO: versions 2.0, 2.1 and 3.0 are read, 3.0 is written; neither torch nor lerobot is needed.

```
v2.x  meta/info.json  tasks.jsonl  episodes.jsonl            v3.0  meta/info.json  stats.json  tasks.parquet
      data/chunk-000/episode_000000.parquet                        meta/episodes/chunk-000/file-000.parquet
      videos/chunk-000/KEY/episode_000000.mp4                      data/chunk-000/file-000.parquet
                                                                   videos/KEY/chunk-000/file-000.mp4
```

A file of version 3.0 holds many episodes; the table of episodes tells the rows and the seconds of each. Images are
upright, in videos or, as encoded images, in the tables. The simulator's states and starts have no place in the format.
Written beyond it, and ignored by others, are the column ``expert_action`` (clean labels) and the suite, task and seed
of each episode, and ``meta/digests.json``, by which a changed file is told when it is read again.
"""

from rsd_jax.demos.lerobot.dataset import LeRobotDemos
from rsd_jax.demos.lerobot.videos import VideoCoding
from rsd_jax.demos.lerobot.writer import LeRobotWriter

__all__ = ["LeRobotDemos", "LeRobotWriter", "VideoCoding"]

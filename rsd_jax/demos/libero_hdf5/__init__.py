"""Demonstrations in LIBERO's official HDF5 layout (LIBERO: ``scripts/create_dataset.py``).

```
data                        attributes: env_name, env_args, problem_info, bddl_file_name, bddl_file_content,
│                           macros_image_convention, num_demos, total            (+ suite, task, versions)
└── demo_0, demo_1, ...     attributes: num_samples, model_file, init_state      (+ seed, fixture_poses, noise, style,
    │                                                                            layout, looks: if not the task's,
    │                                                                            ep_meta: its own instruction,
    │                                                                            expert_from: the steps before it are
    │                                                                            a policy's, see `Demo`)
    ├── actions [T, 7]      executed actions                                     (+ expert_actions [T, 7]: labels)
    ├── states [T, S]  robot_states [T, 9]  rewards [T]  dones [T]
    └── obs/  agentview_rgb  eye_in_hand_rgb [T, 128, 128, 3] (upside-down, as rendered; left out without images)
              ee_states [T, 6]  ee_pos  ee_ori [T, 3]  gripper_states [T, 2]  joint_states [T, 7]
```

What stands in brackets is this project's addition; readers of the official layout ignore it. Read are also

- official files, which lack the additions, with actions of either float type, with or without ``robot_states``;
- files regenerated without no-ops by OpenVLA's script: 256 pixels, no attributes, numbers with gaps; their initial
  states stand in a ``SUITE_metainfo.json`` in the same folder or the one above, if it was kept;
- files without images or without states.

Every file is written under another name and renamed when it is complete, and its first 512 bytes tell its digest
(`digest`). An instruction belongs to a demonstration: several wordings of a task may stand in one file.
"""

from rsd_jax.demos.file_errors import DemoFileError
from rsd_jax.demos.libero_hdf5.dataset import Hdf5Demos
from rsd_jax.demos.libero_hdf5.digest import seal
from rsd_jax.demos.libero_hdf5.frame_files import write_with_frames
from rsd_jax.demos.libero_hdf5.merging import concatenate, merge
from rsd_jax.demos.libero_hdf5.parts import Hdf5Writer
from rsd_jax.demos.libero_hdf5.reading import (
    DemoOrigin,
    lacks_frames,
    read_demos,
    read_instructions,
    read_layouts,
    read_origins,
    read_seeds,
    read_styles,
)
from rsd_jax.demos.libero_hdf5.writing import EpisodeDescription, SceneDescription, write_episode

__all__ = [
    "DemoFileError",
    "DemoOrigin",
    "EpisodeDescription",
    "Hdf5Demos",
    "Hdf5Writer",
    "SceneDescription",
    "concatenate",
    "lacks_frames",
    "merge",
    "read_demos",
    "read_instructions",
    "read_layouts",
    "read_origins",
    "read_seeds",
    "read_styles",
    "seal",
    "write_episode",
    "write_with_frames",
]

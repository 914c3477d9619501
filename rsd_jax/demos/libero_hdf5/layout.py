"""Names in LIBERO's HDF5 files that reading and writing share."""

from collections.abc import Mapping
from types import MappingProxyType

FRAME_KEYS = ("obs/agentview_rgb", "obs/eye_in_hand_rgb")
"""Datasets of the agentview's and of the wrist camera's frames."""

IMAGE_CONVENTION = "opengl"
"""Value of the attribute ``macros_image_convention``: rows run upwards."""

EPISODE_META = "ep_meta"
"""Attribute of a demonstration, named as robosuite and RoboCasa name it: JSON with its own `INSTRUCTION_KEY`,
``suite`` and ``task``, each where it differs from what the file's attributes tell."""

INSTRUCTION_KEY = "lang"

STORED_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "labels": "expert_actions",
        "agentview": FRAME_KEYS[0],
        "wrist": FRAME_KEYS[1],
        "proprio": "obs/ee_states, obs/gripper_states",
        "start.state": "init_state",
    }
)
"""Field of a `Demo` -> its name in the file, where that differs."""

"""Networks that turn one camera's frame into tokens, by name."""

from typing import Any, cast

from rsd_jax.backbones.cameras.grid import GridCamera
from rsd_jax.backbones.cameras.interface import Camera
from rsd_jax.backbones.cameras.keypoints import KeypointCamera
from rsd_jax.backbones.cameras.patches import PatchCamera
from rsd_jax.registry import Registry

_CAMERAS = Registry("camera", "kind", {"keypoints": KeypointCamera, "grid": GridCamera, "patches": PatchCamera})


def describe_camera(camera: Camera) -> dict[str, Any]:
    """Kind and fields of a camera's network, as JSON values.

    What came later is left out where it does nothing: checkpoints of a time without it stay as they are.
    """
    return {name: value for name, value in _CAMERAS.describe(camera).items() if (name, value) != ("places", "learned")}


def make_camera(kind: str, **fields: Any) -> Camera:
    """Inverse of `describe_camera`; raises ValueError for a kind or fields that do not exist."""
    return cast(Camera, _CAMERAS.make(kind, fields))


__all__ = ["Camera", "GridCamera", "KeypointCamera", "PatchCamera", "describe_camera", "make_camera"]

"""Which features of a LeRobot dataset are the two cameras, the state and the action."""

from collections.abc import Mapping
from typing import Any

from rsd_jax.demos.demo import DemoFieldError
from rsd_jax.demos.feature_keys import HOW_TO_DECLARE, FeatureKeys
from rsd_jax.demos.lerobot.layout import KNOWN_KEYS

IMAGE_TYPES = ("video", "image")


def find_keys(features: Mapping[str, Any], declared: FeatureKeys) -> FeatureKeys:
    """The names declared, and for the others those of one of `KNOWN_KEYS` that the dataset has.

    Args:
        features: name -> description, as in ``meta/info.json``; those not needed may be of any type.
        declared: names that the user gives.

    Raises:
        DemoFieldError: a declared name is not there or no image, or the dataset has unknown names only.
    """
    images = [name for name in features if feature_type(features, name) in IMAGE_TYPES]
    for field, name, valid in zip(
        FeatureKeys._fields, declared, (images, images, list(features), list(features)), strict=True
    ):
        if name and name not in valid:
            raise DemoFieldError("features", f"{field}_key={name!r} must be one of {sorted(valid)}")
    if declared.agentview and declared.agentview == declared.wrist:
        raise DemoFieldError(
            "features", f"agentview_key and wrist_key are both {declared.wrist!r}; they are two cameras"
        )
    for known in KNOWN_KEYS:
        keys = declared.completed_by(known)
        cameras = {keys.agentview, keys.wrist}
        without = not images and not cameras & set(features)
        if {keys.state, keys.action} <= set(features) and (cameras <= set(images) or without):
            return keys
    listed = "; ".join(", ".join(keys) for keys in KNOWN_KEYS)
    raise DemoFieldError(
        "features",
        f"are {sorted(features)}, images among them {sorted(images)}; known are {listed}. {HOW_TO_DECLARE}",
    )


def feature_type(features: Mapping[str, Any], name: str) -> Any:
    """What ``dtype`` a feature is said to have; None where nothing is said."""
    feature = features.get(name)
    return feature.get("dtype") if isinstance(feature, dict) else None

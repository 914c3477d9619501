"""Which features of an RLDS build are the two cameras, the state and the action."""

from typing import NamedTuple

from rsd_jax.demos.file_errors import ALL_EPISODES, DemoFileError
from rsd_jax.demos.rlds.build import FEATURES_FILE, RldsBuild

INSTRUCTION = "steps/language_instruction"


class FeatureNames(NamedTuple):
    """Names of the features in an example. Where they are declared, an empty one is the usual one."""

    agentview: str
    wrist: str
    state: str
    action: str


_USUAL = FeatureNames(
    "steps/observation/image", "steps/observation/wrist_image", "steps/observation/state", "steps/action"
)
"""Those of LIBERO's builds."""


def find_names(build: RldsBuild, declared: FeatureNames) -> FeatureNames:
    """The names declared, and for the others the usual ones.

    Raises:
        DemoFileError: a feature is of a type that cannot be read, a declared one is missing, or there are images but
            not those of both cameras: they would be left out without a word.
    """
    names = FeatureNames(*(mine or usual for mine, usual in zip(declared, _USUAL, strict=True)))
    for name in (*names, INSTRUCTION):
        build.require(name)
    images = sorted(name for name, feature in build.features.items() if feature.kind == "image")
    needed = names[:2] if images else ()
    missing = [name for name in (*needed, *filter(None, declared)) if name not in build.features]
    if missing:
        rule = (
            f"is missing; found {sorted(build.features)}, images among them {images}. Declare other names by "
            "agentview_key, wrist_key, state_key and action_key, of launch.convert --config.source.agentview_key=NAME "
            "and so on"
        )
        raise DemoFileError(build.folder / FEATURES_FILE, ALL_EPISODES, missing[0], rule)
    if names.agentview == names.wrist:
        rule = "is both agentview_key and wrist_key; they are two cameras"
        raise DemoFileError(build.folder / FEATURES_FILE, ALL_EPISODES, names.wrist, rule)
    return names

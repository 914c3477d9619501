"""Which features of an RLDS build are the two cameras, the state and the action."""

from rsd_jax.demos.feature_keys import HOW_TO_DECLARE, FeatureKeys
from rsd_jax.demos.file_errors import ALL_EPISODES, DemoFileError
from rsd_jax.demos.rlds.build import FEATURES_FILE, RldsBuild

INSTRUCTION = "steps/language_instruction"


_USUAL = FeatureKeys(
    "steps/observation/image", "steps/observation/wrist_image", "steps/observation/state", "steps/action"
)
"""Those of LIBERO's builds."""


def find_names(build: RldsBuild, declared: FeatureKeys) -> FeatureKeys:
    """The names declared, and for the others the usual ones.

    Raises:
        DemoFileError: a feature is of a type that cannot be read, a declared one is missing, or there are images but
            not those of both cameras: they would be left out without a word.
    """
    names = declared.completed_by(_USUAL)
    for name in (*names, INSTRUCTION):
        build.require(name)
    images = sorted(name for name, feature in build.features.items() if feature.kind == "image")
    needed = names[:2] if images else ()
    missing = [name for name in (*needed, *filter(None, declared)) if name not in build.features]
    if missing:
        rule = f"is missing; found {sorted(build.features)}, images among them {images}. {HOW_TO_DECLARE}"
        raise DemoFileError(build.folder / FEATURES_FILE, ALL_EPISODES, missing[0], rule)
    if names.agentview == names.wrist:
        rule = "is both agentview_key and wrist_key; they are two cameras"
        raise DemoFileError(build.folder / FEATURES_FILE, ALL_EPISODES, names.wrist, rule)
    return names

"""Names of the features of an episode in datasets that others made: the two cameras, the state and the action."""

from typing import NamedTuple

HOW_TO_DECLARE = (
    "Declare other names by agentview_key, wrist_key, state_key and action_key, of launch.convert "
    "--config.source.agentview_key=NAME and so on"
)
"""What to do where the names are unknown."""


class FeatureKeys(NamedTuple):
    """Names of the features in a dataset. Where they are declared, an empty one is to be found out."""

    agentview: str
    wrist: str
    state: str
    action: str

    def completed_by(self, usual: "FeatureKeys") -> "FeatureKeys":
        """These names, and for the empty ones those of `usual`."""
        return FeatureKeys(*(mine or theirs for mine, theirs in zip(self, usual, strict=True)))


UNDECLARED = FeatureKeys("", "", "", "")
"""Every name is to be found out."""

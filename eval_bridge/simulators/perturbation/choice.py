"""What of LIBERO-Plus an evaluation is asked for: a kind of perturbation, and of which level.

LIBERO-Plus (Fei et al. 2025, arXiv 2510.13626) perturbs LIBERO's tasks in seven dimensions. Three of them are
parameters of a scene that is there; the other four (`NOT_DONE`) bring objects, textures, scenes or words of their own,
which this project does not have. Its level of a case tells how hard it was for the authors' models, and is no size of
the perturbation.
"""

from typing import NamedTuple

KINDS = {
    "camera": "Camera Viewpoints",
    "robot_start": "Robot Initial States",
    "noise": "Sensor Noise",
}
"""Name of a kind here -> of the dimension in LIBERO-Plus."""

KIND_TITLES = {
    "camera": "The third-person camera stands elsewhere or looks elsewhere; that in the hand stays",
    "robot_start": "The arm's controller is reset in another posture, to which hand and elbow turn as things settle",
    "noise": "The third-person frame is blurred or in fog, drawn anew for every frame; that of the hand stays clear",
}
"""What each does, for a reader."""

NOT_DONE = {
    "Language Instructions": "needs its rewritten instructions",
    "Light Conditions": "needs its scenes with other lights",
    "Background Textures": "needs its textures and the scenes with them",
    "Objects Layout": "needs its added objects, and initial states with them",
}
"""Dimensions of LIBERO-Plus that are not here, and what of its files each would need."""

LEVELS = (1, 2, 3, 4, 5)


class Perturbation(NamedTuple):
    """A kind out of `KINDS`, and a level out of `LEVELS`, or None for cases of all levels."""

    kind: str
    level: int | None = None

    @property
    def name(self) -> str:
        """As `read_perturbation` takes it."""
        return self.kind if self.level is None else f"{self.kind}_{self.level}"

    @property
    def in_words(self) -> str:
        """For a reader: ``Camera Viewpoints of LIBERO-Plus, level 3``."""
        level = "all levels" if self.level is None else f"level {self.level}"
        return f"{KINDS[self.kind]} of LIBERO-Plus, {level}"


def read_perturbation(text: str) -> Perturbation | None:
    """The perturbation that a configuration names: ``camera``, ``noise_4``; none for an empty text.

    Raises:
        ValueError: there is none of that name.
    """
    if not text:
        return None
    for kind in KINDS:
        level = text.removeprefix(f"{kind}_")
        if text == kind:
            return Perturbation(kind)
        if level in map(str, LEVELS):
            return Perturbation(kind, int(level))
    raise ValueError(
        f"perturbation={text!r} does not exist: choose one of {', '.join(KINDS)}, each also with a level from "
        f"{LEVELS[0]} to {LEVELS[-1]} behind it, such as camera_3, or leave it empty for none"
    )

"""Looks that were drawn, as they stand with a demonstration: whatever is shown later is shown from these values."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from eval_bridge.simulators.libero.looks.recolouring import Recolouring
from eval_bridge.simulators.perturbation.camera_pose import CameraShift

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class PartLook:
    """How things of a class, or a surface of the room, look.

    Attributes:
        recolouring: of its textures and colours; None if they stay.
        image: name of the texture that a surface has in place of its own; None if it keeps it.
        specular, shininess: added to those of its materials.
    """

    recolouring: Recolouring | None = None
    image: str | None = None
    specular: float = 0.0
    shininess: float = 0.0


@dataclass(frozen=True)
class LightLook:
    """How a light is changed: moved by `shift` (metres), each channel of its colour multiplied by a `gain`."""

    shift: Triple
    gain: Triple


@dataclass(frozen=True)
class Looks:
    """How a scene looks in an episode; without arguments as the task has it.

    Attributes:
        things: class -> how all things of it look.
        surfaces: material -> how the surface of the room looks that has it.
        lights: by the number of each.
        ambient: factor of the light that comes from everywhere and from the camera.
        cameras: name -> how it is moved.
        posture: joint angles ``[7]`` from which the arm's controller starts (radians); None for its home.
        refused: why a look was drawn again -> how often.
    """

    things: Mapping[str, PartLook] = field(default_factory=dict)
    surfaces: Mapping[str, PartLook] = field(default_factory=dict)
    lights: tuple[LightLook, ...] = ()
    ambient: float = 1.0
    cameras: Mapping[str, CameraShift] = field(default_factory=dict)
    posture: tuple[float, ...] | None = None
    refused: Mapping[str, int] = field(default_factory=dict)

    def values(self) -> dict[str, Any]:
        """Everything as JSON values."""
        cameras = {name: shift._asdict() for name, shift in self.cameras.items()}
        return {**dataclasses.asdict(self), "cameras": cameras}

    @staticmethod
    def of(values: Mapping[str, Any]) -> "Looks":
        """The looks that `values` has written.

        Raises:
            ValueError: they are not of that form.
        """
        try:
            return Looks(
                things={name: _part(part) for name, part in values["things"].items()},
                surfaces={name: _part(part) for name, part in values["surfaces"].items()},
                lights=tuple(LightLook(tuple(light["shift"]), tuple(light["gain"])) for light in values["lights"]),
                ambient=values["ambient"],
                cameras={
                    name: CameraShift(tuple(shift["offset"]), tuple(shift["turn"]))
                    for name, shift in values["cameras"].items()
                },
                posture=None if values["posture"] is None else tuple(values["posture"]),
                refused=dict(values["refused"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"looks = {values!r} are not as they are drawn ({error!r})") from error


def _part(values: Mapping[str, Any]) -> PartLook:
    known = values["recolouring"]
    recolouring = None if known is None else Recolouring(**{**known, "paint": tuple(known["paint"])})
    return PartLook(**{**values, "recolouring": recolouring})

"""What of a scene's looks is drawn at random."""

from dataclasses import dataclass

from eval_bridge.setting_ranges import require_not_negative, require_shares

_SHARES = (
    "probability",
    "size_probability",
    "stand_in_probability",
    "recolour_probability",
    "most_paint",
    "gain",
    "surface_probability",
    "image_probability",
    "shine",
    "light_gain",
    "light_tint",
)
_SIZES = ("hue", "light_shift", "view_shift", "view_turn", "wrist_shift", "wrist_turn", "posture", "arm")


@dataclass(frozen=True)
class LooksSettings:
    """What of looks is random; by default nothing, and every pixel is the task's own.

    Attributes:
        probability: that an episode has looks of its own; else the task's.
        recolour_probability: of each class of things, that it is recoloured.
        hue: farthest that hues are turned, either way (degrees).
        gain: by which share things are made darker or brighter at most.
        most_paint: share of a colour of its own that is mixed in at most, evenly drawn.
        surface_probability: of each surface of the room (table, floor, walls), that it is recoloured likewise.
        image_probability: of such a surface, that it also gets another texture.
        shine: by how much specular reflection and shininess change at most, of 1.
        light_shift: how far each light is moved at most along each axis (metres). light_gain: by which share it is
            dimmed or raised at most. light_tint: by which share one of its channels is, beside the others.
        view_shift, view_turn: how far the camera that looks on is moved along each axis (metres) and turned around
            each axis (degrees) at most. wrist_shift, wrist_turn: the same of the camera in the hand.
        posture: largest distance of the controller's reference posture from home in the space of the arm's joints
            (radians, see `robot_posture`). arm: that of the joints with which the arm begins from those drawn.
        size_probability: of each class of things in a task's scene, that in the whole run they have another size,
            between `smallest` and `largest` times their own (things that the hand must get around: `sizes`).
        stand_in_probability: of each class of things in a task's scene that the words do not tell from its kind, that
            in the whole run things of another class of that kind are in their place (`stand_ins`).
        most_draws: colours that are drawn for a class of things, before it keeps its own.

    Raises:
        ValueError: on construction, if a value is out of range.
    """

    probability: float = 0.0
    recolour_probability: float = 0.0
    hue: float = 0.0
    gain: float = 0.0
    most_paint: float = 0.0
    surface_probability: float = 0.0
    image_probability: float = 0.0
    shine: float = 0.0
    light_shift: float = 0.0
    light_gain: float = 0.0
    light_tint: float = 0.0
    view_shift: float = 0.0
    view_turn: float = 0.0
    wrist_shift: float = 0.0
    wrist_turn: float = 0.0
    posture: float = 0.0
    arm: float = 0.0
    size_probability: float = 0.0
    smallest: float = 1.0
    largest: float = 1.0
    stand_in_probability: float = 0.0
    most_draws: int = 10

    def __post_init__(self) -> None:
        require_shares(self, _SHARES, "looks.")
        require_not_negative(self, _SIZES, "looks.")
        if not 0.0 < self.smallest <= 1.0 <= self.largest:
            raise ValueError(
                f"looks.smallest is {self.smallest} and largest {self.largest}; 0 < smallest <= 1 <= largest must hold"
            )
        if self.most_draws < 1:
            raise ValueError(f"looks.most_draws is {self.most_draws}; it must be at least 1")

    @property
    def draws(self) -> bool:
        """Whether any episode has looks of its own."""
        return self.probability > 0


DEVELOPMENT_LOOKS = LooksSettings(
    probability=1.0,
    recolour_probability=0.7,
    hue=40.0,
    gain=0.3,
    most_paint=0.5,
    surface_probability=0.7,
    image_probability=0.5,
    shine=0.4,
    light_shift=0.5,
    light_gain=0.3,
    light_tint=0.15,
    view_shift=0.03,
    view_turn=2.0,
    wrist_shift=0.005,
    wrist_turn=2.0,
    posture=0.2,
    arm=0.1,
    size_probability=0.5,
    smallest=0.85,
    largest=1.3,
    stand_in_probability=0.5,
)
"""In which policies are chosen: those of configs/demos.py:layouts, in every episode."""

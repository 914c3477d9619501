"""What of a scene's layout is drawn at random."""

from dataclasses import dataclass

from eval_bridge.setting_ranges import require_not_negative, require_shares

PROBABILITIES = (
    "probability",
    "exchange_probability",
    "anywhere_probability",
    "raised_probability",
    "fixture_probability",
    "removal_probability",
    "stranger_probability",
)
_WEIGHTS = ("kept_weight", "together_weight", "alone_weight")
_SIZES = ("exchange_shift", "largest_turn", "fixture_shift", "fixture_turn", "gap", "apart")


@dataclass(frozen=True)
class LayoutSettings:
    """What of a layout is random; by default nothing, and starts are the task's own, bit for bit.

    Attributes:
        probability: that an episode begins in a layout of its own; else it begins as the task does.
        kept_weight, together_weight, alone_weight: how often, relative to each other, one of these rules keeps the
            instruction true where a scene holds a thing that looks like the one meant (`drawing`).
        exchange_probability: that two things exchange their places, or one takes a level place on a fixture; the first
            of them is one that the goal is about.
        most_exchanges: how many such exchanges there are at most, evenly drawn from 1.
        exchange_shift: farthest, along each axis of the table, that what was exchanged stands from the place that it
            took, where that is on the ground (metres). Fixtures that exchange their places also exchange which way
            they face; one that takes a thing's place is turned round in every other case.
        anywhere_probability: of each thing, that it is put anywhere within reach.
        raised_probability: of such a thing, that this is on a fixture or a flat thing, if one fits there.
        largest_turn: about the vertical, either way, of a thing that is put anywhere, or was exchanged (degrees).
        fixture_probability: of each fixture, that it is moved.
        fixture_shift: farthest that it is moved along each axis of the table (metres). fixture_turn: farthest that it
            is turned, either way (degrees); also of one that was exchanged.
        removal_probability: of each thing that neither the goal nor the words need, that it is taken away.
        strangers: things of other scenes that are compiled into each task's scene. stranger_probability: of each of
            them, that a layout puts it anywhere; else it is not there.
        gap: left between what is moved and everything else (metres).
        apart: distance (metres) within which a thing counts as standing next to a landmark of the words.
        nearest, farthest: horizontal distance from the robot's foot at which things are put (metres).
        widest: farthest to either side of the robot (metres).
        most_draws: layouts that are drawn for an episode before it is given up.

    Raises:
        ValueError: on construction, if a value is out of range.
    """

    probability: float = 0.0
    kept_weight: float = 1.0
    together_weight: float = 1.0
    alone_weight: float = 1.0
    exchange_probability: float = 0.0
    most_exchanges: int = 1
    exchange_shift: float = 0.0
    anywhere_probability: float = 0.0
    raised_probability: float = 0.0
    largest_turn: float = 0.0
    fixture_probability: float = 0.0
    fixture_shift: float = 0.0
    fixture_turn: float = 0.0
    removal_probability: float = 0.0
    strangers: int = 0
    stranger_probability: float = 0.0
    gap: float = 0.008
    apart: float = 0.16
    nearest: float = 0.3
    farthest: float = 0.85
    widest: float = 0.36
    most_draws: int = 40

    def __post_init__(self) -> None:
        require_shares(self, PROBABILITIES, "layout.")
        require_not_negative(self, (*_WEIGHTS, *_SIZES), "layout.")
        if sum(getattr(self, name) for name in _WEIGHTS) == 0:
            raise ValueError(f"layout.{', '.join(_WEIGHTS)} are all 0; one must be positive")
        for name in ("most_exchanges", "most_draws"):
            if getattr(self, name) < 1:
                raise ValueError(f"layout.{name} is {getattr(self, name)}; it must be at least 1")
        if self.strangers < 0:
            raise ValueError(f"layout.strangers is {self.strangers}; it must be at least 0")
        if bool(self.strangers) != bool(self.stranger_probability):
            raise ValueError(
                f"layout.strangers is {self.strangers} and stranger_probability {self.stranger_probability}; "
                "raise both, or neither"
            )
        if not 0.0 < self.nearest < self.farthest or self.widest <= 0:
            raise ValueError(
                f"layout.nearest is {self.nearest}, farthest {self.farthest} and widest {self.widest}; "
                "0 < nearest < farthest and 0 < widest must hold"
            )
        changes = [name for name in PROBABILITIES if name not in ("probability", "raised_probability")]
        if self.probability > 0 and not any(getattr(self, name) for name in changes):
            raise ValueError(
                f"layout.probability is {self.probability}, but nothing may change; raise one of {', '.join(changes)}"
            )

    @property
    def draws(self) -> bool:
        """Whether any episode begins in a layout of its own."""
        return self.probability > 0


DEVELOPMENT_LAYOUTS = LayoutSettings(
    probability=1.0,
    kept_weight=2.0,
    exchange_probability=0.75,
    most_exchanges=2,
    exchange_shift=0.06,
    anywhere_probability=0.4,
    raised_probability=0.25,
    largest_turn=30.0,
    fixture_probability=0.4,
    fixture_shift=0.06,
    fixture_turn=12.0,
    removal_probability=0.15,
    strangers=3,
    stranger_probability=0.25,
)
"""In which policies are chosen: those of configs/demos.py:layouts, in every episode."""

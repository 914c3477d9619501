"""Draws how a scene looks in an episode, from its seed."""

import colorsys
from collections import Counter
from collections.abc import Callable, Collection

import numpy as np
from numpy.typing import NDArray

from eval_bridge.simulators.interface import EpisodeStart
from eval_bridge.simulators.libero.environment import LiberoSimulator
from eval_bridge.simulators.libero.looks.images import IMAGES
from eval_bridge.simulators.libero.looks.recolouring import Recolouring
from eval_bridge.simulators.libero.looks.settings import LooksSettings
from eval_bridge.simulators.libero.looks.values import LightLook, Looks, PartLook, Triple
from eval_bridge.simulators.libero.task_streams import TaskStream, task_generator
from eval_bridge.simulators.libero.withheld_looks import check_look
from eval_bridge.simulators.libero.withheld_table import Withheld
from eval_bridge.simulators.perturbation.camera_pose import CameraShift
from eval_bridge.simulators.perturbation.robot_posture import HOME

CheckLook = Callable[[str, NDArray[np.float64]], None]
"""Raises `Withheld` where things of a class may not have a mean colour, L*a*b* ``[3]``."""

WITHHELD = "withheld colour"

_DECIMALS = 4  # of what is drawn, so that what is shown is what was written
_COLOUR_WORDS = frozenset({"black", "white", "yellow", "red", "blue", "green", "brown", "grey"})
_SATURATION, _VALUE = (0.1, 0.9), (0.25, 0.95)  # of paints: neither black nor glaring


def add_looks(
    simulator: LiberoSimulator,
    start: EpisodeStart,
    seed: int,
    settings: LooksSettings,
    check: CheckLook = check_look,
) -> EpisodeStart:
    """A start with looks of its own, as far as `settings` say; `begin` shows them.

    What else is drawn from the seed stays: where everything is, noise and style. Colours that are withheld for
    LIBERO-PRO are drawn again.

    Args:
        simulator: the task.
        start: of it.
        seed: of the episode.
        settings: what is random.
        check: what refuses a colour.

    Raises:
        UnknownName: the scene has things that LIBERO's own suites have not.
    """
    if not settings.draws:
        return start
    generator = task_generator(seed, TaskStream.LOOKS, simulator.suite, simulator.task)
    if not generator.random() < settings.probability:
        return start
    looks = _Draw(generator, settings).looks(simulator, check)
    turn = _direction(generator, len(HOME)) * generator.uniform(0.0, settings.arm)
    return simulator.with_arm_turned(start, turn)._replace(looks=looks.values())


def told_by_colour(instruction: str, classes: Collection[str]) -> frozenset[str]:
    """Classes of things that the words may tell by their colour from others of their kind, such as two mugs."""
    kinds = Counter(name.rpartition("_")[2] for name in classes)
    if not _COLOUR_WORDS & set(instruction.lower().split()):
        return frozenset()
    return frozenset(name for name in classes if kinds[name.rpartition("_")[2]] > 1)


class _Draw:
    """What is drawn of one episode."""

    def __init__(self, generator: np.random.Generator, settings: LooksSettings) -> None:
        self._generator, self._settings = generator, settings
        self._refused: Counter[str] = Counter()

    def looks(self, simulator: LiberoSimulator, check: CheckLook) -> Looks:
        """All of it; leaves the scene with the looks of the task."""
        shown, settings = simulator.looks, self._settings
        kept = told_by_colour(simulator.instruction, shown.things)
        things = {}
        for name in sorted(shown.things):
            recolours = self._happens(settings.recolour_probability) and name not in kept
            things[name] = self._shine(self._thing(simulator, name, check) if recolours else None)
        surfaces = {name: self._surface(shown.surfaces[name].is_plain) for name in sorted(shown.surfaces)}
        shown.show(Looks())
        return Looks(
            things=things,
            surfaces=surfaces,
            lights=tuple(self._light() for _ in range(shown.num_lights)),
            ambient=round(1.0 + self._within(settings.light_gain), _DECIMALS),
            cameras={
                "agentview": CameraShift(self._triple(settings.view_shift), self._triple(settings.view_turn)),
                "wrist": CameraShift(self._triple(settings.wrist_shift), self._triple(settings.wrist_turn)),
            },
            posture=self._posture(),
            refused=dict(self._refused),
        )

    def _thing(self, simulator: LiberoSimulator, name: str, check: CheckLook) -> Recolouring | None:
        for _ in range(self._settings.most_draws):
            drawn = self._recolouring()
            simulator.looks.show(Looks(things={name: PartLook(drawn)}))
            try:
                check(name, simulator.looks.colour(name))
            except Withheld:
                self._refused[WITHHELD] += 1
            else:
                return drawn
        return None

    def _surface(self, is_plain: bool) -> PartLook:
        settings = self._settings
        changes, exchanges = self._happens(settings.surface_probability), self._happens(settings.image_probability)
        image, recolouring = IMAGES[self._generator.integers(len(IMAGES))], self._recolouring()
        if not changes:
            return PartLook()
        return self._shine(recolouring, image if is_plain and exchanges else None)

    def _shine(self, recolouring: Recolouring | None, image: str | None = None) -> PartLook:
        specular, shininess = (round(self._within(self._settings.shine), _DECIMALS) for _ in range(2))
        return PartLook(recolouring, image, specular, shininess)

    def _recolouring(self) -> Recolouring:
        settings, generator = self._settings, self._generator
        hue, gain = self._within(settings.hue), 1.0 + self._within(settings.gain)
        tone, saturation, value = generator.random(), generator.uniform(*_SATURATION), generator.uniform(*_VALUE)
        share = generator.uniform(0.0, settings.most_paint)
        red, green, blue = (round(channel, _DECIMALS) for channel in colorsys.hsv_to_rgb(tone, saturation, value))
        return Recolouring(round(hue, _DECIMALS), round(gain, _DECIMALS), (red, green, blue), round(share, _DECIMALS))

    def _light(self) -> LightLook:
        settings = self._settings
        brightness = 1.0 + self._within(settings.light_gain)
        red, green, blue = (round(brightness * (1.0 + self._within(settings.light_tint)), _DECIMALS) for _ in range(3))
        return LightLook(self._triple(settings.light_shift), (red, green, blue))

    def _posture(self) -> tuple[float, ...] | None:
        if not self._settings.posture:
            return None
        turn = _direction(self._generator, len(HOME)) * self._generator.uniform(0.0, self._settings.posture)
        return tuple(round(float(angle), 8) for angle in HOME + turn)

    def _happens(self, probability: float) -> bool:
        return bool(self._generator.random() < probability)

    def _within(self, largest: float) -> float:
        return float(self._generator.uniform(-largest, largest))

    def _triple(self, largest: float) -> Triple:
        first, second, third = (round(self._within(largest), _DECIMALS) for _ in range(3))
        return first, second, third


def _direction(generator: np.random.Generator, size: int) -> NDArray[np.float64]:
    """A direction in a space of `size` dimensions, each as likely as the others."""
    drawn = generator.standard_normal(size)
    return np.asarray(drawn / np.linalg.norm(drawn))

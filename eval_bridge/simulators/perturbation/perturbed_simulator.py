"""A simulator as a case of LIBERO-Plus shows it."""

import numpy as np
from numpy.typing import NDArray

from eval_bridge.observations import Observation
from eval_bridge.simulators.interface import EpisodeStart, Goal, Probe, Simulator
from eval_bridge.simulators.perturbation.camera_pose import CameraMove
from eval_bridge.simulators.perturbation.cases import EpisodePerturbation
from eval_bridge.simulators.perturbation.robot_posture import posture
from eval_bridge.simulators.perturbation.sensor_noise import add_noise


def perturbed(simulator: Simulator, perturbation: EpisodePerturbation | None) -> Simulator:
    """`simulator` for one episode: itself where nothing is perturbed."""
    return simulator if perturbation is None else PerturbedSimulator(simulator, perturbation)


class PerturbedSimulator:
    """One episode of another simulator, perturbed (implements `eval_bridge.simulators.interface.Simulator`).

    Camera and robot are moved when the episode begins, and are back in their places when the other simulator begins
    the next one. Noise is drawn anew for every step, from the episode's seeds and the number of the step, so that
    a frame does not depend on how many were rendered before.
    """

    def __init__(self, simulator: Simulator, perturbation: EpisodePerturbation) -> None:
        """Nothing is moved before `begin`.

        Raises:
            ValueError: camera or robot are to be moved in a simulator that is not LIBERO's.
        """
        from eval_bridge.simulators.libero.environment import LiberoSimulator  # not before there is a scene to build

        self._simulator, (self._case, self._seeds) = simulator, perturbation
        self._scene: LiberoSimulator | None = simulator if isinstance(simulator, LiberoSimulator) else None
        if self._case.kind != "noise" and self._scene is None:
            raise ValueError(
                f"perturbation {self._case.kind} moves camera or robot of a LIBERO scene, and "
                f"{type(simulator).__name__} has none: choose noise, or another simulator"
            )
        self._steps = 0

    @property
    def instruction(self) -> str:
        """The language instruction of the task."""
        return self._simulator.instruction

    @property
    def goal(self) -> Goal:
        """What the task asks for."""
        return self._simulator.goal

    def begin(self, start: EpisodeStart) -> None:
        """Puts the simulator into `start`, camera or robot moved, and lets it settle."""
        self._steps = 0
        if self._scene is None or self._case.kind == "noise":
            self._simulator.begin(start)
        elif self._case.kind == "camera":
            self._scene.begin(start, camera=CameraMove(*self._case.numbers))
        else:
            self._scene.begin(start, posture=posture(*self._case.numbers))

    def draw_start(self, seed: int) -> EpisodeStart:
        """Draws a start, which is not perturbed before `begin`."""
        return self._simulator.draw_start(seed)

    def step(self, action: NDArray[np.float32]) -> bool:
        """Executes one action; returns whether the task is solved."""
        self._steps += 1
        return self._simulator.step(action)

    def observe(self) -> Observation:
        """What the policy sees, noise included."""
        seen = self._simulator.observe()
        return seen._replace(agentview=self._noisy(seen.agentview))

    def proprio(self) -> NDArray[np.float32]:
        """The robot's state alone."""
        return self._simulator.proprio()

    def probe(self) -> Probe:
        """Where everything is that the goal is about."""
        return self._simulator.probe()

    def render(self, camera: str) -> NDArray[np.uint8]:
        """One frame, as the policy would see it."""
        frame = self._simulator.render(camera)
        return self._noisy(frame) if camera == "agentview" else frame

    def close(self) -> None:
        """Closes the other simulator."""
        self._simulator.close()

    def _noisy(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self._case.kind != "noise":
            return frame
        (number,) = self._case.numbers
        return add_noise(frame, number, np.random.default_rng((*self._seeds, self._steps)))

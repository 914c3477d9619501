"""Evaluations on development starts: where anything may be chosen, since nothing is published on them."""

from dataclasses import dataclass

from eval_bridge.runs.evaluation_stage import Starts

SIMULATORS = ("libero_development", "libero_layouts", "libero_looks", "point_mass")
"""Where policies may be chosen: none of these starts in a state that results are published on."""


@dataclass(frozen=True)
class DevelopmentEvaluation(Starts):
    """How policies are judged: on starts in one of `SIMULATORS`."""

    def __post_init__(self) -> None:
        """Rejects starts that results are published on."""
        if self.simulator not in SIMULATORS:
            raise ValueError(
                f"evaluation.simulator={self.simulator!r} must be one of {', '.join(SIMULATORS)}: nothing "
                "may be chosen by success on the evaluation states"
            )

"""What others published on LIBERO's four suites: 500 episodes each, the same protocol."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean


@dataclass(frozen=True)
class Anchor:
    """Somebody's published policy.

    Attributes:
        name: as its authors call it.
        learned_from: on what, in words.
        success: success rate by suite, a fraction.
    """

    name: str
    learned_from: str
    success: Mapping[str, float]

    def success_on(self, suite: str) -> str:
        """In per cent; a dash where none was published."""
        return f"{self.success[suite]:.1%}" if suite in self.success else "-"

    @property
    def average(self) -> str:
        """Mean of the four suites, in per cent."""
        return f"{fmean(self.success.values()):.1%}"


OPENVLA_OFT = Anchor(
    "OpenVLA-OFT",
    "7 billion parameters, human demonstrations, a policy for each suite",
    {"libero_spatial": 0.976, "libero_object": 0.984, "libero_goal": 0.979, "libero_10": 0.945},
)
"""Kim et al. 2025, arXiv 2502.19645."""

MINT_30M = Anchor(
    "MINT-30M",
    "30 million beside frozen DINOv3-L and SigLIP2",
    {"libero_spatial": 0.986, "libero_object": 0.992, "libero_goal": 0.974, "libero_10": 0.932},
)
"""Huang et al. 2026, arXiv 2602.08602: the small policy that the field knows best."""

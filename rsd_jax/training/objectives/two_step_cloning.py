"""Objective of a policy with a two-step head: both steps are supervised, the second one from a noised label."""

from dataclasses import dataclass

import jax

from rsd_jax.array_types import Features, PyTree, Scalar
from rsd_jax.policy_network import HEAD
from rsd_jax.training.objectives.behaviour_cloning import BehaviourCloning, PolicyConstants


@dataclass(frozen=True)
class TwoStepCloning(BehaviourCloning):
    """The minimal iterative policy's loss (Pan et al. 2025, arXiv 2512.01809), with the L1 distance of the teacher.

    With s = `noise`, which is 1 - t* there: |head(o, 0, first) - a| / (1 - s) + |head(o, a + s z, second) - a| / s,
    z standard normal. They square the distances; here they are as in `BehaviourCloning`, so that the two policies
    differ in the steps alone.

    Attributes:
        noise: s, standard deviation of what is added to the label, in half-ranges.
    """

    noise: float = 0.1

    def __post_init__(self) -> None:
        """Checks the name of the type, and the noise."""
        super().__post_init__()
        if not 0 < self.noise < 1:
            raise ValueError(f"noise is {self.noise}; it must lie between 0 and 1, as in noise=0.1")

    def head_loss(
        self,
        params: PyTree,
        frozen: PolicyConstants,
        features: Features,
        batch: dict[str, jax.Array],
        key: jax.Array,
    ) -> tuple[Scalar, dict[str, Scalar]]:
        """See `BehaviourCloning`; `key` draws the noise."""
        head, actions = self.network.teacher, batch["actions"]
        noised = actions + self.noise * jax.random.normal(key, actions.shape)
        begun = head.apply({"params": params[HEAD]}, features, method="begin")
        refined = head.apply({"params": params[HEAD]}, features, noised, method="refine")
        first, of_first = self.regression_loss(begun, batch)
        second, of_second = self.regression_loss(refined, batch)
        loss = first / (1 - self.noise) + second / self.noise
        return loss, {**of_first, "loss/l1_refined": of_second["loss/l1"]}

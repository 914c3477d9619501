"""Corrections: a trained policy acts first, then the expert takes over from wherever that has led.

The policy's own mistakes are what its demonstrations lack: states that it reaches and the expert does not (DAgger,
Ross et al. 2011; here the expert takes over once and for good, as in HG-DAgger, Kelly et al. 2019).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval_bridge.episodes.rollout import Actor
from eval_bridge.simulators.interface import Simulator

_TAKEOVER_STREAM = 3  # apart from noise and style


@dataclass(frozen=True)
class TakeoverSettings:
    """Which policy acts before the expert, and for how long.

    Attributes:
        policy_of: folder of the run whose policy acts; empty: the expert acts from the start.
        decoder: by which decoder it acts.
        policy_batch: rows of one call of the policy; 0 for the default of the device.
        earliest, latest: steps after which the expert takes over, drawn evenly from these, both included. An episode
            that the policy has solved by then needs no correction.

    Raises:
        ValueError: on construction, if a number is out of range.
    """

    policy_of: str = ""
    decoder: str = "l1_regression"
    policy_batch: int = 0
    earliest: int = 1
    latest: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.earliest <= self.latest:
            raise ValueError(
                f"takeover.earliest={self.earliest} and takeover.latest={self.latest}: "
                "1 <= earliest <= latest must hold"
            )
        if self.policy_batch < 0:
            raise ValueError(f"takeover.policy_batch={self.policy_batch} must be at least 0")

    def draw(self, seed: int) -> int:
        """After how many steps the expert takes over in the episode of `seed`."""
        return int(np.random.default_rng([seed, _TAKEOVER_STREAM]).integers(self.earliest, self.latest + 1))


def act_for(simulator: Simulator, policy: Actor, steps: int) -> Iterator[NDArray[np.float32]]:
    """Yields the first `steps` actions ``[7]`` of a policy that executes its chunks whole; execute each in turn."""
    done = 0
    while done < steps:
        for action in np.asarray(policy.act(simulator.observe()).actions, np.float32)[: steps - done]:
            yield action
            done += 1

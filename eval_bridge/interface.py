"""What evaluation asks of a policy: types and names only."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from eval_bridge.simulators.interface import Observation

DECODER_STAGES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "l1_regression": ("policy",),
        "autoregressive": ("rfsq", "policy", "main_head"),
        "speculative_greedy": ("rfsq", "policy", "draft", "main_head"),
    }
)
"""Every decoder's name, and the training stages whose checkpoints it reads."""

PIPELINE_STAGES = ("preprocess", "backbone", "decoder", "detokenize")
"""Parts of one call, in order. Timed as functions compiled separately; their sum is printed beside `FUSED_STAGE`."""

FUSED_STAGE = "chunk"
"""The deployed call at batch 1: from an observation to actions on the host."""

PASS_STAGES = ("draft_pass", "verify_pass", "step_pass")
"""Single passes of the cost model: one draft, one verification of its layers, one autoregressive layer. Optional."""


class PolicyOutput(NamedTuple):
    """One chunk of actions and what it cost.

    Attributes:
        actions: ``float32 [8, 7]`` in the environment's convention (gripper -1 open, +1 close).
        rounds: passes of the main head that the decoder needed; 0 for a policy without tokens.
        accepted: draft tokens accepted, by layer, ``int [L]``; zeros where nothing was drafted.
        proposed: draft tokens proposed, by layer, ``int [L]``, informative digits only.
        seconds: blocking time from the observation to actions on the host.
    """

    actions: NDArray[np.float32]
    rounds: int
    accepted: NDArray[np.integer]
    proposed: NDArray[np.integer]
    seconds: float


class Policy(Protocol):
    """A compiled policy: observation in, chunk of actions out."""

    decoder: str

    def act(self, observation: Observation) -> PolicyOutput:
        """Decides on the next chunk."""
        ...

    def stage_functions(self, observation: Observation) -> dict[str, Callable[[], object]]:
        """Zero-argument calls to time, by name: `FUSED_STAGE`, `PIPELINE_STAGES`, `PASS_STAGES` where they exist."""
        ...


def check_decoder(name: str) -> str:
    """Returns `name` if a decoder has it.

    Raises:
        ValueError: no decoder is called so; the message lists those that exist.
    """
    if name not in DECODER_STAGES:
        raise ValueError(f"decoder={name!r} is not a decoder; choose one of {', '.join(DECODER_STAGES)}.")
    return name

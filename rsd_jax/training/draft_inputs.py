"""What a draft policy is given of rows, its memory of an earlier frame included."""

from collections.abc import Callable, Mapping
from functools import partial

import jax
import numpy as np
from numpy.typing import NDArray

from rsd_jax.backbones.interface import Memory, PolicyInputs
from rsd_jax.stored_models.policy import PolicyVariables, StoredPolicy
from rsd_jax.training.equal_batches import map_rows
from rsd_jax.training.objectives.behaviour_cloning import policy_inputs
from rsd_jax.training.row_sources import Rows

SEEN = ("images", "proprio", "instruction_ids")
"""Of rows: what a policy sees of the present frame."""

ACTED = "acted"
"""Of rows: what the main policy does there, where it was asked beforehand (`rsd_jax.training.taught_rows`)."""

BATCH = 256


def draft_inputs(batch: Mapping[str, jax.Array]) -> PolicyInputs:
    """What rows tell of the present frame, and of `rsd_jax.training.look_rows.LOOK` what is remembered; traceable."""
    seen = policy_inputs(batch)
    if "look_age" not in batch:
        return seen
    return seen._replace(memory=Memory(batch["look_features"], batch["look_age"]))


def remembering(main: StoredPolicy) -> Callable[[Rows], NDArray[np.float32]]:
    """A function of rows, compiled once: what `main` makes of them, of all S steps that it foresees, ``[N, S, F]``."""

    @jax.jit
    def look(variables: PolicyVariables, batch: Mapping[str, jax.Array]) -> jax.Array:
        return main.backbone.features(variables.backbone, variables.proprio, policy_inputs(batch))

    def remember(rows: Rows) -> NDArray[np.float32]:
        seen = {name: rows[name] for name in SEEN}
        features: NDArray[np.float32] = map_rows(partial(look, main.variables), seen, BATCH)
        return features

    return remember

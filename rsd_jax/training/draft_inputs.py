"""What a draft policy is given of rows, its memory of an earlier frame included."""

from collections.abc import Mapping

import jax

from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.stored_models.policy import PolicyVariables, StoredPolicy
from rsd_jax.training.objectives.behaviour_cloning import policy_inputs
from rsd_jax.training.objectives.distillation import look_inputs


def draft_inputs(main: StoredPolicy, variables: PolicyVariables, batch: Mapping[str, jax.Array]) -> PolicyInputs:
    """Of rows with a look (`rsd_jax.training.look_rows`) also what `main` makes of it; traceable.

    Args:
        main: the main policy. variables: its arrays.
        batch: the fields of `PolicyInputs`, and with a memory `LOOK`.
    """
    seen = policy_inputs(batch)
    look = look_inputs(batch, seen.instruction_ids)
    return seen if look is None else seen._replace(memory=main.remember(variables, look, batch["look_age"]))

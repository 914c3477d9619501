"""Held-out evaluation of whatever drafts the main policy's chunk."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from rsd_jax.array_types import Actions, PyTree
from rsd_jax.rfsq import RfsqTokenizer
from rsd_jax.stored_models.policy import PolicyVariables, StoredPolicy
from rsd_jax.training.draft_inputs import BATCH
from rsd_jax.training.equal_batches import map_rows
from rsd_jax.training.objectives.behaviour_cloning import policy_inputs
from rsd_jax.training.objectives.distillation import draft_error
from rsd_jax.training.objectives.interface import Variables
from rsd_jax.training.row_sources import Rows

Draft = Callable[[PyTree, PolicyVariables, dict[str, jax.Array]], Actions]
"""What is drafted, in the dataset's units: of trained parameters, the main policy's arrays, and a batch of rows."""

NEAR = (0.05, 0.1, 0.2)
"""Distances within which the share of held-out chunks is reported, in half-ranges."""


class DraftEvaluation:
    """Distance of a draft's chunks from the main policy's on held-out episodes, in half-ranges, and of its tokens.

    ``heldout_distance`` is the mean over chunks of the largest error of any motion dimension and step.
    """

    def __init__(
        self,
        draft: Draft,
        main: StoredPolicy,
        tokenizer: RfsqTokenizer,
        rows: Rows,
        acted: NDArray[np.float32] | None = None,
    ) -> None:
        """Compiles nothing yet.

        Args:
            draft: traceable.
            main: what it is compared with.
            tokenizer: of both.
            rows: of the held-out episodes, fields of `PolicyInputs` and what else `draft` asks for.
            acted: what `main` does there, in the dataset's units; None asks it.
        """
        self._draft, self._main, self._tokenizer, self._rows = jax.jit(draft), main, tokenizer, rows
        self._acted = acted

    def __call__(self, variables: Variables) -> dict[str, Any]:
        """See `HeldoutEvaluation`."""
        if self._acted is None:  # the same at every evaluation
            act = jax.jit(self._main.actions)
            self._acted = self._over_rows(lambda batch: act(self._main.variables, policy_inputs(batch)))
        drafted = self._over_rows(lambda batch: self._draft(variables.params, self._main.variables, batch))
        tokens, expected = (np.asarray(self._tokenizer.tokenize(actions)) for actions in (drafted, self._acted))
        normalize = self._main.variables.action.normalize
        error = draft_error(normalize(jnp.asarray(drafted)), normalize(jnp.asarray(self._acted)))
        informative = np.asarray(self._tokenizer.informative)
        agrees = (tokens == expected).mean(axis=(0, 1))
        near = {f"heldout_share_within_{limit}": float((error.distance <= limit).mean()) for limit in NEAR}
        return {
            "heldout_distance": float(error.distance.mean()),
            "heldout_l1": float(error.l1.mean()),
            "heldout_gripper_equal": float(error.same_gripper.mean()),
            "heldout_token_agreement_by_layer": [
                float(layer[counts].mean()) if counts.any() else None
                for layer, counts in zip(agrees.T, informative, strict=True)
            ],
            "heldout_chunks": len(drafted),
            **near,
        }

    def _over_rows(self, act: Callable[[Any], jax.Array]) -> NDArray[np.float32]:
        actions: NDArray[np.float32] = map_rows(act, self._rows, BATCH)
        return actions

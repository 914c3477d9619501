"""The draft policy's stage: a small policy with a backbone of its own learns the main policy's actions."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from rsd_jax.actions.conventions import LIBERO
from rsd_jax.array_types import Actions
from rsd_jax.backbones.choice import make_backbone
from rsd_jax.backbones.image_preprocessing import AugmentationConfig
from rsd_jax.backbones.instruction_table import InstructionTable
from rsd_jax.policy_network import BACKBONE, HEAD, PolicyNetwork
from rsd_jax.rfsq import RfsqTokenizer
from rsd_jax.stored_models import load_policy, load_tokenizer
from rsd_jax.stored_models.draft_policy import DraftPolicyFacts
from rsd_jax.stored_models.policy import PolicyVariables, StoredPolicy, policy_variables
from rsd_jax.stored_models.policy_facts import PolicyFacts
from rsd_jax.training.demonstrations import instructions
from rsd_jax.training.draft_inputs import draft_inputs
from rsd_jax.training.equal_batches import map_rows
from rsd_jax.training.look_rows import with_looks
from rsd_jax.training.objectives.behaviour_cloning import policy_inputs
from rsd_jax.training.objectives.distillation import LOOK, Distillation, DistillationConstants, draft_error
from rsd_jax.training.objectives.interface import Stage, Variables
from rsd_jax.training.policy_rows import PolicyRows, policy_rows_of
from rsd_jax.training.row_sources import Rows

SEEN = ("images", "proprio", "instruction_ids")
"""Of the rows: demonstrated actions play no part."""

NEAR = (0.05, 0.1, 0.2)
"""Distances within which the share of held-out chunks is reported, in half-ranges."""

BATCH = 256


@dataclass(frozen=True)
class DraftPolicySettings:
    """Settings of the draft policy's stage.

    Attributes:
        backbone: arguments of `make_backbone`; it takes what the main policy's takes, and foresees one chunk.
        augmentation: random changes of what both policies are given.
        rewordings: of every instruction.
        oldest_look: calls for which it remembers what the main policy saw last; 0 for a draft policy without memory.
        compute_dtype, worst_weight: see `Distillation`.
    """

    backbone: Mapping[str, Any]
    augmentation: AugmentationConfig
    rewordings: int
    oldest_look: int
    compute_dtype: str
    worst_weight: float

    def build(self, run_dir: Path) -> Stage:
        """Every step of the demonstrations, as the run's frozen policy acts there.

        Raises:
            CheckpointError: the tokenizer or the policy is missing or damaged.
            ValueError: the backbone does not take what the policy's takes, or has other chunks.
        """
        tokenizer, main = load_tokenizer(run_dir), load_policy(run_dir)
        remembers: dict[str, Any] = {
            "memory_steps": main.backbone.chunks * main.backbone.chunk_length,
            "memory_width": main.backbone.width,
            "oldest_memory": self.oldest_look,
        }
        backbone = make_backbone(**self.backbone, **(remembers if self.oldest_look else {}))
        found = (backbone.observation_needs, backbone.chunk_length, backbone.chunks)
        if found != (expected := (main.observation_needs, main.backbone.chunk_length, 1)):
            raise ValueError(
                f"model.backbone has observation needs, chunk_length and chunks {found}; beside the policy of "
                f"{run_dir} they must be {expected}"
            )
        network = PolicyNetwork(backbone, main.network.head)
        rows = policy_rows_of(run_dir, main.backbone, main.heldout_every)
        words = InstructionTable.of(instructions(run_dir), self.rewordings, "training", backbone.encode_instruction)
        return draft_policy_stage(self, network, tokenizer, main, rows, words)


def draft_policy_stage(
    settings: DraftPolicySettings,
    network: PolicyNetwork,
    tokenizer: RfsqTokenizer,
    main: StoredPolicy,
    rows: PolicyRows,
    words: InstructionTable,
) -> Stage:
    """The stage that trains `network` to act like `main` on rows at hand."""
    train, heldout = (
        {name: array for name, array in part.items() if name in (*SEEN, *LOOK)}
        for part in (_with_looks(settings, part, main) for part in (rows.train, rows.heldout))
    )
    objective = Distillation(
        network, main.network, settings.augmentation, settings.compute_dtype, settings.worst_weight
    )
    facts = PolicyFacts(
        network=network,
        proprio=main.variables.proprio,
        normalizer=main.variables.action,
        conventions=asdict(LIBERO),
        tokenizer_hash=tokenizer.token_hash,
        heldout_every=main.heldout_every,
        augmentation=asdict(settings.augmentation),
        rewordings=settings.rewordings,
        compute_dtype=settings.compute_dtype,
        labels="policy",
        outlook_weight=None,
    )
    params = {BACKBONE: main.variables.backbone, HEAD: main.variables.head}
    return Stage(
        name="draft_policy",
        objective=objective,
        frozen=DistillationConstants(main.variables.proprio, words, params),
        rows=train,
        evaluate=_Evaluation(network, main, tokenizer, heldout),
        best_metric="heldout_distance",
        metadata=DraftPolicyFacts(facts, main.params_hash).to_json(),
    )


def _with_looks(settings: DraftPolicySettings, rows: Rows, main: StoredPolicy) -> Rows:
    return with_looks(rows, main.backbone.chunk_length, settings.oldest_look) if settings.oldest_look else rows


class _Evaluation:
    """Distance of the draft's chunks from the main policy's on held-out episodes, in half-ranges, and of its tokens.

    ``heldout_distance`` is the mean over chunks of the largest error of any motion dimension and step.
    """

    def __init__(self, network: PolicyNetwork, main: StoredPolicy, tokenizer: RfsqTokenizer, rows: Rows) -> None:
        self._main, self._tokenizer, self._rows = main, tokenizer, rows

        @jax.jit
        def act(variables: PolicyVariables, main_variables: PolicyVariables, batch: dict[str, jax.Array]) -> Actions:
            return replace(main, network=network).actions(variables, draft_inputs(main, main_variables, batch))

        self._act = act
        self._acted: NDArray[np.float32] | None = None

    def __call__(self, variables: Variables) -> dict[str, Any]:
        """See `HeldoutEvaluation`."""
        if self._acted is None:  # the same at every evaluation
            act = jax.jit(self._main.actions)
            self._acted = self._over_rows(lambda batch: act(self._main.variables, policy_inputs(batch)))
        learnt = policy_variables(variables.params, self._main.variables)
        drafted = self._over_rows(lambda batch: self._act(learnt, self._main.variables, batch))
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

    def _over_rows(self, act: Any) -> NDArray[np.float32]:
        actions: NDArray[np.float32] = map_rows(act, self._rows, BATCH)
        return actions

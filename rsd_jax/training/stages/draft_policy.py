"""The draft policy's stage: a small policy with a backbone of its own learns the main policy's actions."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from rsd_jax.actions.conventions import LIBERO
from rsd_jax.array_types import Actions, PyTree
from rsd_jax.backbones.choice import make_backbone
from rsd_jax.backbones.image_preprocessing import AugmentationConfig
from rsd_jax.backbones.instruction_table import InstructionTable
from rsd_jax.heads.regression_head import RegressionConfig
from rsd_jax.policy_network import BACKBONE, HEAD, PolicyNetwork
from rsd_jax.rfsq import RfsqTokenizer
from rsd_jax.stored_models import load_policy, load_tokenizer
from rsd_jax.stored_models.draft_policy import DraftPolicyFacts
from rsd_jax.stored_models.policy import PolicyVariables, StoredPolicy, policy_variables
from rsd_jax.stored_models.policy_facts import PolicyFacts
from rsd_jax.training.demonstrations import instructions
from rsd_jax.training.draft_inputs import ACTED, SEEN, draft_inputs, remembering
from rsd_jax.training.look_rows import LOOK, with_looks
from rsd_jax.training.objectives.distillation import Distillation, DistillationConstants
from rsd_jax.training.objectives.interface import Stage
from rsd_jax.training.policy_rows import PolicyRows, policy_rows_of
from rsd_jax.training.row_sources import Rows
from rsd_jax.training.stages.draft_evaluation import DraftEvaluation
from rsd_jax.training.taught_rows import taught_rows

VIEWS, FRAMES = "views", "frames"
TAUGHT_ON = (VIEWS, FRAMES)
"""What a draft policy learns the main policy's actions on: changed views, about each of which that is asked, or the
demonstrations' frames as they are, where its stored features tell them and it need not run."""


@dataclass(frozen=True)
class DraftPolicySettings:
    """Settings of the draft policy's stage.

    Attributes:
        backbone: arguments of `make_backbone`; it takes what the main policy's takes, and foresees one chunk.
        taught_on: one of `TAUGHT_ON`.
        augmentation: random changes of what both policies are given, or the draft policy alone.
        rewordings: of every instruction.
        oldest_look: calls for which it remembers what the main policy saw last; 0 for a draft policy without memory.
        compute_dtype, worst_weight: see `Distillation`.
    """

    backbone: Mapping[str, Any]
    taught_on: str
    augmentation: AugmentationConfig
    rewordings: int
    oldest_look: int
    compute_dtype: str
    worst_weight: float

    def __post_init__(self) -> None:
        """Checks what it is taught on, and that it then can remember."""
        if self.taught_on not in TAUGHT_ON:
            raise ValueError(f"model.taught_on is {self.taught_on!r}; it must be one of {', '.join(TAUGHT_ON)}")
        if self.taught_on == FRAMES and self.oldest_look:
            raise ValueError(
                f"model.oldest_look is {self.oldest_look}; with model.taught_on={FRAMES} it must be 0, for what a "
                "large main policy makes of a frame is larger than the draft policy that would remember it"
            )

    def build(self, run_dir: Path) -> Stage:
        """Every step of the demonstrations, as the run's frozen policy acts there.

        Raises:
            CheckpointError: the tokenizer or the policy is missing or damaged.
            ValueError: the backbone does not take what the policy's takes, or has other chunks.
        """
        if self.taught_on == FRAMES:
            return self._taught_on_frames(run_dir)
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
                f"{run_dir} they must be {expected}. Frames of another size are for model.taught_on={FRAMES}"
            )
        network = PolicyNetwork(backbone, main.network.head)
        rows = policy_rows_of(run_dir, main.backbone, main.heldout_every)
        words = InstructionTable.of(instructions(run_dir), self.rewordings, "training", backbone.encode_instruction)
        return draft_policy_stage(self, network, tokenizer, main, rows, words)

    def _taught_on_frames(self, run_dir: Path) -> Stage:
        """Every complete chunk of the demonstrations, with the actions that the policy's features give there."""
        tokenizer, main = load_tokenizer(run_dir), load_policy(run_dir, with_backbone=False)
        backbone = make_backbone(**self.backbone)
        needs, wanted = backbone.observation_needs, main.observation_needs
        found = (needs.cameras, needs.state_size, backbone.chunk_length, backbone.chunks)
        if found != (expected := (wanted.cameras, wanted.state_size, main.backbone.chunk_length, 1)):
            raise ValueError(
                f"model.backbone has cameras, state_size, chunk_length and chunks {found}; beside the policy of "
                f"{run_dir} they must be {expected}"
            )
        network = PolicyNetwork(backbone, RegressionConfig(len(main.variables.action.center)))
        taught = taught_rows(run_dir, main, backbone)
        normalize, acted = main.variables.action.normalize, taught.heldout.rows[ACTED]
        train = {**taught.train.rows, ACTED: np.asarray(normalize(jnp.asarray(taught.train.rows[ACTED])))}
        heldout = {name: taught.heldout.rows[name] for name in SEEN}
        words = InstructionTable.of(instructions(run_dir), self.rewordings, "training", backbone.encode_instruction)
        return _stage(self, network, tokenizer, main, words, _Material(train, heldout, acted))


class _Material(NamedTuple):
    """Rows to learn from and to be judged on, and what the main policy does at these; None asks it."""

    train: Rows
    heldout: Rows
    acted: NDArray[np.float32] | None


def draft_policy_stage(
    settings: DraftPolicySettings,
    network: PolicyNetwork,
    tokenizer: RfsqTokenizer,
    main: StoredPolicy,
    rows: PolicyRows,
    words: InstructionTable,
) -> Stage:
    """The stage that trains `network` to act like `main` on rows at hand."""
    oldest, chunk_length = settings.oldest_look, main.backbone.chunk_length
    train, heldout = ({name: part[name] for name in SEEN} for part in (rows.train, rows.heldout))
    if oldest:
        remember = remembering(main)
        for seen, part in ((train, rows.train), (heldout, rows.heldout)):
            looks = with_looks(part, remember(part), chunk_length, oldest)
            seen |= {name: looks[name] for name in LOOK}
    return _stage(settings, network, tokenizer, main, words, _Material(train, heldout, None))


def _stage(
    settings: DraftPolicySettings,
    network: PolicyNetwork,
    tokenizer: RfsqTokenizer,
    main: StoredPolicy,
    words: InstructionTable,
    material: _Material,
) -> Stage:
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
        augmentation=settings.augmentation.to_json(),
        rewordings=settings.rewordings,
        compute_dtype=settings.compute_dtype,
        labels="policy",
        outlook_weight=None,
    )
    params = {} if ACTED in material.train else {BACKBONE: main.variables.backbone, HEAD: main.variables.head}

    def act(learnt: PyTree, of_main: PolicyVariables, batch: dict[str, jax.Array]) -> Actions:
        return replace(main, network=network).actions(policy_variables(learnt, of_main), draft_inputs(batch))

    return Stage(
        name="draft_policy",
        objective=objective,
        frozen=DistillationConstants(main.variables.proprio, words, params),
        rows=material.train,
        evaluate=DraftEvaluation(act, main, tokenizer, material.heldout, material.acted),
        best_metric="heldout_distance",
        metadata=DraftPolicyFacts(facts, main.params_hash).to_json(),
    )

"""The policy's stage: behaviour cloning of backbone and L1 regression head, or of what else learns from its rows."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from rsd_jax.actions.conventions import LIBERO
from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.backbones.choice import describe_backbone, make_backbone
from rsd_jax.backbones.image_preprocessing import AugmentationConfig
from rsd_jax.backbones.instruction_table import InstructionTable
from rsd_jax.backbones.proprioception import ProprioNormalizer
from rsd_jax.heads.regression_head import RegressionConfig
from rsd_jax.policy_network import PolicyNetwork
from rsd_jax.rfsq import RfsqTokenizer
from rsd_jax.stored_models import load_tokenizer
from rsd_jax.stored_models.policy import load_state_range
from rsd_jax.stored_models.policy_facts import PolicyFacts
from rsd_jax.training.demonstrations import DEMONSTRATED, instructions
from rsd_jax.training.equal_batches import map_rows
from rsd_jax.training.objectives.behaviour_cloning import (
    BehaviourCloning,
    ChunkError,
    PolicyConstants,
    policy_inputs,
)
from rsd_jax.training.objectives.interface import Stage, Variables
from rsd_jax.training.policy_rows import PolicyRows, policy_rows_of
from rsd_jax.training.row_sources import Rows
from rsd_jax.training.stages.action_learning import EVALUATION_BATCH, ActionLearning
from rsd_jax.training.stages.token_learning import TokenLearning
from rsd_jax.training.stages.two_step_learning import TwoStepLearning

FORESEEABLE, ALL = "foreseeable", "all"
LABELS = (FORESEEABLE, ALL)
"""Which labels of a chunk are imitated: those behind no disturbance of the chunk's own steps, or all."""

ACTIONS, TWO_STEPS, TOKENS = "actions", "two_steps", "tokens"
LEARNS = (ACTIONS, TWO_STEPS, TOKENS)
"""What a policy learns: actions by the L1 teacher or by a two-step head, or tokens."""


@dataclass(frozen=True)
class PolicySettings:
    """Settings of the policy's stage.

    Attributes:
        backbone: arguments of `make_backbone`.
        head: size of the L1 teacher.
        augmentation: random changes of what the policy is given.
        rewordings: of every instruction, for training, and as many others for measuring on held-out episodes.
        compute_dtype: see `BehaviourCloning`.
        labels: one of `LABELS`.
        outlook_weight: see `BehaviourCloning`.
        heldout_every: every how many-th episode of a task is held out.
        learns: one of `LEARNS`. two_steps, tokens: how, where it is asked.
    """

    backbone: Mapping[str, Any]
    head: RegressionConfig
    augmentation: AugmentationConfig
    rewordings: int
    compute_dtype: str
    labels: str
    outlook_weight: float
    heldout_every: int
    learns: str
    two_steps: TwoStepLearning
    tokens: TokenLearning

    def __post_init__(self) -> None:
        """Checks the backbone's sizes, the number of rewordings, and the names."""
        make_backbone(**self.backbone)
        if self.rewordings < 1:
            raise ValueError(
                f"model.rewordings must be at least 1, got {self.rewordings}; model.augmentation.reworded=0 rewords "
                "nothing"
            )
        if self.labels not in LABELS:
            raise ValueError(f"model.labels is {self.labels!r}; it must be one of {', '.join(LABELS)}")
        if self.learns not in LEARNS:
            raise ValueError(f"model.learns is {self.learns!r}; it must be one of {', '.join(LEARNS)}")

    @property
    def learning(self) -> ActionLearning:
        """What it learns, and how."""
        return {ACTIONS: ActionLearning(), TWO_STEPS: self.two_steps, TOKENS: self.tokens}[self.learns]

    def planned_facts(self) -> dict[str, Any]:
        """The backbone; see `KeepsConstants`."""
        return {"backbone": describe_backbone(make_backbone(**self.backbone))}

    def build(self, run_dir: Path) -> Stage:
        """Every step of the demonstrations, with the actions normalised as the run's tokenizer does."""
        return self._build(run_dir, None)

    def build_from(self, run_dir: Path, source: Path) -> Stage:
        """The same, with the robot's states normalised as the policy of `source` does."""
        return self._build(run_dir, load_state_range(source))

    def _build(self, run_dir: Path, proprio: ProprioNormalizer | None) -> Stage:
        tokenizer = load_tokenizer(run_dir)
        backbone = make_backbone(**self.backbone)
        if backbone.chunk_length != tokenizer.chunk_length:
            raise ValueError(
                f"model.backbone.chunk_length is {backbone.chunk_length}, but the tokenizer of {run_dir} takes "
                f"chunks of {tokenizer.chunk_length} steps; give both the same"
            )
        if backbone.observation_needs != DEMONSTRATED:
            raise ValueError(
                f"the backbone needs {backbone.observation_needs}, and rows of demonstrations hold {DEMONSTRATED}: "
                "it cannot be trained on them"
            )
        rows = policy_rows_of(run_dir, backbone, self.heldout_every)
        network = self.learning.network(backbone, self.head, tokenizer)
        return policy_stage(self, network, tokenizer, rows, instructions(run_dir), proprio)


def policy_stage(
    settings: PolicySettings,
    network: PolicyNetwork,
    tokenizer: RfsqTokenizer,
    rows: PolicyRows,
    texts: Sequence[str],
    proprio: ProprioNormalizer | None = None,
) -> Stage:
    """The stage that trains `network` on rows at hand, whose instructions are `texts`.

    The robot's states are normalised by `proprio`, or else as the training rows' own are spread.
    """
    heldout = normalised(rows.heldout, tokenizer.normalizer)
    train = imitated(normalised(rows.train, tokenizer.normalizer), settings.labels)
    normalizer = ProprioNormalizer.from_proprio(train["proprio"]) if proprio is None else proprio
    encode = network.backbone.encode_instruction
    words = InstructionTable.of(texts, settings.rewordings, "training", encode)
    frozen = settings.learning.constants(PolicyConstants(normalizer, words), tokenizer)
    heldout_words = InstructionTable.of(texts, settings.rewordings, "heldout", encode)
    objective = settings.learning.objective(
        network, settings.augmentation, settings.compute_dtype, settings.outlook_weight
    )
    facts = PolicyFacts(
        network=network,
        proprio=normalizer,
        normalizer=tokenizer.normalizer,
        conventions=asdict(LIBERO),
        tokenizer_hash=tokenizer.token_hash,
        heldout_every=settings.heldout_every,
        augmentation=settings.augmentation.to_json(),
        rewordings=settings.rewordings,
        compute_dtype=settings.compute_dtype,
        labels=settings.labels,
        outlook_weight=settings.outlook_weight if network.backbone.chunks > 1 else None,
    )
    of_actions = partial(evaluate_policy, objective, jax.jit(objective.predict), normalizer, heldout_words, heldout)
    evaluate, best_metric = settings.learning.evaluation(of_actions, objective, frozen, heldout)
    return Stage(
        name="policy",
        objective=objective,
        frozen=frozen,
        rows=train,
        evaluate=evaluate,
        best_metric=best_metric,
        metadata=settings.learning.facts(facts).to_json(),
    )


def normalised(rows: Rows, normalizer: ActionNormalizer) -> Rows:
    """Rows whose actions are those that the head is to give."""
    return {**rows, "actions": np.asarray(normalizer.normalize(jnp.asarray(rows["actions"])))}


def imitated(rows: Rows, labels: str) -> Rows:
    """Rows whose mask covers the labels to imitate; training does not ask which are foreseeable."""
    mask = rows["mask"] & rows["foreseeable"] if labels == FORESEEABLE else rows["mask"]
    return {name: array for name, array in rows.items() if name != "foreseeable"} | {"mask": mask}


def evaluate_policy(
    objective: BehaviourCloning,
    predict: Any,
    normalizer: ProprioNormalizer,
    words: InstructionTable,
    rows: Rows,
    variables: Variables,
    batch: int = EVALUATION_BATCH,
) -> dict[str, Any]:
    """Errors on held-out episodes, with the images blanked (what the policy owes to seeing), and reworded.

    Whatever the policy was trained on, they are of foreseeable labels: what else it is asked for, nobody could know.
    ``heldout_l1_all_labels`` is of all; ``_outlook`` is of the chunks behind the first one, all else of that alone.
    `batch` is the number of rows a call.
    """
    foreseeable, everything = rows["mask"] & rows["foreseeable"], rows["mask"]
    run = partial(_predict, predict, variables, normalizer, batch)
    actions = run(rows)
    blind = run({**rows, "images": _Blank(rows["images"])})
    reworded = run({**rows, "instruction_ids": _reworded(words, rows)})

    def errors(predicted: NDArray[np.float32], mask: NDArray[np.bool_]) -> tuple[ChunkError, ChunkError | None]:
        return objective.errors(jnp.asarray(predicted), jnp.asarray(rows["actions"]), jnp.asarray(mask))

    error, outlook = errors(actions, foreseeable)
    of_outlook = (
        {}
        if outlook is None
        else {
            "heldout_l1_outlook": float(outlook.l1),
            "heldout_gripper_accuracy_outlook": float(outlook.gripper_accuracy),
        }
    )
    return {
        "heldout_l1": float(error.l1),
        "heldout_l1_translation": float(error.translation),
        "heldout_l1_rotation": float(error.rotation),
        "heldout_gripper_accuracy": float(error.gripper_accuracy),
        "heldout_l1_zeroed_images": float(errors(blind, foreseeable)[0].l1),
        "heldout_l1_reworded": float(errors(reworded, foreseeable)[0].l1),
        "heldout_l1_all_labels": float(errors(actions, everything)[0].l1),
        **of_outlook,
        "heldout_steps": len(everything),
    }


@dataclass(frozen=True)
class _Blank:
    """Black images in the place of others, made as they are asked for."""

    images: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: NDArray[np.integer]) -> NDArray[np.uint8]:
        return np.zeros((len(index), *self.images.shape[1:]), np.uint8)


def _reworded(words: InstructionTable, rows: Rows) -> NDArray[np.int32]:
    """Held-out rewordings that training never draws from, another one for every row."""
    reword = jax.jit(partial(words.reword, share=1.0))
    return np.asarray(reword(jax.random.key(0), jnp.asarray(rows["instruction_ids"])))


def _predict(
    predict: Any, variables: Variables, normalizer: ProprioNormalizer, batch: int, rows: Mapping[str, Any]
) -> NDArray[np.float32]:
    actions: NDArray[np.float32] = map_rows(
        lambda inputs: predict(variables.params, normalizer, policy_inputs(inputs)).actions, rows, batch
    )
    return actions

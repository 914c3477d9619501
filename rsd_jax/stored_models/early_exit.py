"""The early exit of a run's policy: a head that drafts from the first blocks of its backbone."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jaxtyping import Array, Float

from rsd_jax.array_types import Actions, PyTree
from rsd_jax.backbones.early_exit import early_exit_backbone
from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.checkpoints import load_stage
from rsd_jax.heads.early_exit_head import EarlyExitConfig, EarlyExitHead
from rsd_jax.stored_models.known_network import known_network
from rsd_jax.stored_models.policy import PolicyMismatchError, PolicyVariables, StoredPolicy


@dataclass(frozen=True)
class EarlyExitPolicy:
    """A main policy that drafts after its first blocks. Its functions take arrays as arguments, as `StoredPolicy`'s.

    Attributes:
        main: the policy. head: drafts, after as many blocks as its sizes say.

    Raises:
        ValueError: on construction, if the policy's backbone cannot be left there.
    """

    main: StoredPolicy
    head: EarlyExitHead

    def __post_init__(self) -> None:
        early_exit_backbone(self.main.backbone, self.blocks)

    @property
    def blocks(self) -> int:
        """Blocks after which it drafts."""
        return self.head.config.blocks

    def tokens(self, variables: PolicyVariables, inputs: PolicyInputs) -> PyTree:
        """What the first blocks of the main policy make of `inputs`."""
        backbone = early_exit_backbone(self.main.backbone, self.blocks)
        return backbone.early_tokens(variables.backbone, variables.proprio, inputs, self.blocks)

    def actions(self, params: PyTree, variables: PolicyVariables, tokens: PyTree) -> Actions:
        """The draft, in the dataset's units.

        Args:
            params: of the head.
            variables: of the main policy.
            tokens: of the first blocks.
        """
        slots = early_exit_backbone(self.main.backbone, self.blocks).exit_slots(tokens)
        return variables.action.denormalize(self.head.apply({"params": params}, slots))

    def foreseen_features(self, variables: PolicyVariables, tokens: PyTree) -> Float[Array, "B N C F"]:
        """`StoredPolicy.foreseen_features`, from what the first blocks have computed already."""
        backbone = early_exit_backbone(self.main.backbone, self.blocks)
        return self.main.by_chunk(backbone.features_from(variables.backbone, tokens, self.blocks))


@dataclass(frozen=True)
class StoredEarlyExit:
    """A trained early exit: the policy, and the parameters of its head."""

    policy: EarlyExitPolicy
    params: PyTree


@dataclass(frozen=True)
class EarlyExitFacts:
    """What the checkpoint of an early exit says beside its arrays.

    Attributes:
        model: blocks of the main policy that it reads after, and its sizes.
        main_hash: `StoredPolicy.params_hash` of the main policy that it is an exit of.
        tokenizer_hash: of the run's tokenizer.
        augmentation, rewordings, compute_dtype, worst_weight: settings of its training, see `EarlyExitSettings`.
    """

    model: EarlyExitConfig
    main_hash: str
    tokenizer_hash: str
    augmentation: Mapping[str, float]
    rewordings: int
    compute_dtype: str
    worst_weight: float

    def to_json(self) -> dict[str, Any]:
        """JSON values, as checkpoints keep them."""
        return asdict(self)

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> "EarlyExitFacts":
        """Inverse of `to_json`.

        Raises:
            TypeError, KeyError: a head that this version does not know.
        """
        return EarlyExitFacts(**{**content, "model": EarlyExitConfig(**content["model"])})


def load_early_exit(run_dir: Path | str, main: StoredPolicy) -> StoredEarlyExit:
    """Loads the best early exit of a run, which reads the tokens of `main`.

    Raises:
        CheckpointError: it is missing or damaged, or is an exit of another policy.
        ValueError: the backbone of `main` cannot be left where the head reads.
    """
    stage = load_stage(run_dir, "early_exit")
    train = "move the stage's folder away and train it again: python -m launch.train --config configs/early_exit.py"
    with known_network(stage.metadata.stage, train):
        facts = EarlyExitFacts.from_json(stage.metadata.facts)
    if facts.main_hash != main.params_hash:
        raise PolicyMismatchError(
            f"stage 'early_exit' is an exit of policy {facts.main_hash}, but the run's policy is {main.params_hash}; "
            f"{train}"
        )
    return StoredEarlyExit(EarlyExitPolicy(main, EarlyExitHead(facts.model)), stage.variables["params"])

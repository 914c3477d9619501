"""What the checkpoint of a policy says beside its arrays."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.backbones.choice import describe_backbone, make_backbone
from rsd_jax.backbones.proprioception import ProprioNormalizer
from rsd_jax.heads.regression_head import RegressionConfig
from rsd_jax.policy_network import PolicyNetwork


@dataclass(frozen=True)
class PolicyFacts:
    """What is needed to use the parameters of a policy, and how it was trained.

    Attributes:
        network: backbone and head.
        proprio, normalizer: constants of the robot's state and of actions.
        conventions: fields of the `Conventions` that it was trained with; those of another version may differ.
        tokenizer_hash: of the run's tokenizer, whose normalizer it shares.
        heldout_every: every how many-th episode of a task was held out.
        augmentation, rewordings, compute_dtype, labels, outlook_weight: settings of its training, see
            `PolicySettings`.

    What only later versions write is ``None`` of an earlier one's checkpoint.
    """

    network: PolicyNetwork
    proprio: ProprioNormalizer
    normalizer: ActionNormalizer
    conventions: Mapping[str, Any]
    tokenizer_hash: str | None
    heldout_every: int
    augmentation: Mapping[str, Any]
    rewordings: int | None
    compute_dtype: str | None
    labels: str | None
    outlook_weight: float | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON values, as checkpoints keep them."""
        content = {
            "backbone": describe_backbone(self.network.backbone),
            "head": asdict(self.network.head),
            "proprio": self.proprio.to_json(),
            "normalizer": self.normalizer.to_json(),
            "conventions": dict(self.conventions),
            "tokenizer_hash": self.tokenizer_hash,
            "heldout_every": self.heldout_every,
            "augmentation": dict(self.augmentation),
            "rewordings": self.rewordings,
            "compute_dtype": self.compute_dtype,
            "labels": self.labels,
        }
        # One that foresees no further than it acts has no such setting.
        return content if self.outlook_weight is None else {**content, "outlook_weight": self.outlook_weight}

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> "PolicyFacts":
        """Inverse of `to_json`.

        Raises:
            TypeError, KeyError, ValueError: a network that this version does not know.
        """
        return PolicyFacts(
            network=PolicyNetwork(make_backbone(**content["backbone"]), RegressionConfig(**content["head"])),
            proprio=ProprioNormalizer.from_json(content["proprio"]),
            normalizer=ActionNormalizer.from_json(content["normalizer"]),
            conventions=content["conventions"],
            tokenizer_hash=content.get("tokenizer_hash"),
            heldout_every=content["heldout_every"],
            augmentation=content.get("augmentation", {}),
            rewordings=content.get("rewordings"),
            compute_dtype=content.get("compute_dtype"),
            labels=content.get("labels"),
            outlook_weight=content.get("outlook_weight"),
        )

"""What the checkpoint of a policy says beside its arrays."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.backbones.choice import describe_backbone, make_backbone
from rsd_jax.backbones.proprioception import ProprioNormalizer
from rsd_jax.heads.action_heads import describe_action_head, make_action_head
from rsd_jax.heads.main_head import MainHeadConfig
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
            `PolicySettings`. digit_weight: likewise, of a policy that was trained to name tokens.
        has_random_weights: whether nothing was trained at all, so that no figure says anything of a policy.

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
    digit_weight: float | None = None
    has_random_weights: bool = False

    def to_json(self) -> dict[str, Any]:
        """JSON values, as checkpoints keep them."""
        content: dict[str, Any] = {
            "backbone": describe_backbone(self.network.backbone),
            "head": describe_action_head(self.network.head),
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
        # One that foresees no further than it acts has no such setting, and few have a main head of their own.
        if self.outlook_weight is not None:
            content["outlook_weight"] = self.outlook_weight
        if self.network.main is not None:
            content["main_head"] = asdict(self.network.main)
        if self.digit_weight is not None:
            content["digit_weight"] = self.digit_weight
        if self.has_random_weights:
            content["has_random_weights"] = True
        return content

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> "PolicyFacts":
        """Inverse of `to_json`.

        Raises:
            TypeError, KeyError, ValueError: a network that this version does not know.
        """
        main = content.get("main_head")
        return PolicyFacts(
            network=PolicyNetwork(
                make_backbone(**content["backbone"]),
                make_action_head(content["head"]),
                None if main is None else MainHeadConfig(**main),
            ),
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
            digit_weight=content.get("digit_weight"),
            has_random_weights=content.get("has_random_weights", False),
        )

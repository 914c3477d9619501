"""What the checkpoint of a draft model or a main head says beside its arrays."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.heads.draft_model import DraftConfig
from rsd_jax.heads.main_head import MainHeadConfig

Sizes = TypeVar("Sizes", bound=DraftConfig | MainHeadConfig)


@dataclass(frozen=True)
class HeadFacts(Generic[Sizes]):
    """What is needed to use the parameters of a head, and how it was trained.

    Attributes:
        tokenizer_hash: of the tokenizer whose tokens it names. layout: `RfsqTokenizer.layout` of it.
        policy_hash: `StoredPolicy.params_hash` of the policy on whose features it was trained.
        normalizer: of the tokenizer and the policy.
        labels, feature_noise, digit_weight: settings of its training, see `DigitPrediction`.
        model: size of its network.

    What only later versions write is ``None`` of an earlier one's checkpoint.
    """

    tokenizer_hash: str | None
    policy_hash: str | None
    normalizer: ActionNormalizer | None
    layout: Mapping[str, Any]
    labels: str | None
    feature_noise: float | None
    digit_weight: float | None
    model: Sizes

    def to_json(self) -> dict[str, Any]:
        """JSON values, as checkpoints keep them."""
        return {
            "tokenizer_hash": self.tokenizer_hash,
            "policy_hash": self.policy_hash,
            "normalizer": None if self.normalizer is None else self.normalizer.to_json(),
            "layout": dict(self.layout),
            "labels": self.labels,
            "feature_noise": self.feature_noise,
            "digit_weight": self.digit_weight,
            # What few heads are is left out, as it was when there was no such.
            "model": {name: value for name, value in asdict(self.model).items() if value is not False},
        }

    @staticmethod
    def from_json(content: Mapping[str, Any], sizes: type[Sizes]) -> "HeadFacts[Sizes]":
        """Inverse of `to_json`, of a head whose network is described by `sizes`.

        Raises:
            TypeError, KeyError, ValueError: a network that this version does not know.
        """
        normalizer = content.get("normalizer")
        return HeadFacts(
            tokenizer_hash=content.get("tokenizer_hash"),
            policy_hash=content.get("policy_hash"),
            normalizer=None if normalizer is None else ActionNormalizer.from_json(normalizer),
            layout=content.get("layout", {}),
            labels=content.get("labels"),
            feature_noise=content.get("feature_noise"),
            digit_weight=content.get("digit_weight"),
            model=sizes(**content["model"]),
        )

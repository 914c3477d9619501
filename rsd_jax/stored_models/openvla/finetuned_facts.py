"""What the checkpoint of a fine-tuned OpenVLA says beside its arrays."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rsd_jax.backbones.openvla.low_rank import LowRankConfig
from rsd_jax.registry import to_dataclass
from rsd_jax.stored_models.policy_facts import PolicyFacts


@dataclass(frozen=True)
class FinetunedFacts:
    """How a policy was fine-tuned.

    Attributes:
        policy: what it is when it is done, without adapters.
        source: run folder of the policy that it began with. source_hash: `params_hash` of that.
        low_rank: its adapters; None where all parameters were trained.
        master_dtype, moments_dtype: see `OpenVlaFinetuneSettings`.
    """

    policy: PolicyFacts
    source: str
    source_hash: str
    low_rank: LowRankConfig | None
    master_dtype: str
    moments_dtype: str

    def to_json(self) -> dict[str, Any]:
        """JSON values, as checkpoints keep them."""
        low_rank = None if self.low_rank is None else asdict(self.low_rank)
        return {
            "policy": self.policy.to_json(),
            "source": self.source,
            "source_hash": self.source_hash,
            "low_rank": low_rank,
            "master_dtype": self.master_dtype,
            "moments_dtype": self.moments_dtype,
        }

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> "FinetunedFacts":
        """Inverse of `to_json`.

        Raises:
            TypeError, KeyError, ValueError: a network that this version does not know.
        """
        low_rank = content["low_rank"]
        return FinetunedFacts(
            PolicyFacts.from_json(content["policy"]),
            content["source"],
            content["source_hash"],
            None if low_rank is None else to_dataclass(LowRankConfig, low_rank),
            content["master_dtype"],
            content["moments_dtype"],
        )

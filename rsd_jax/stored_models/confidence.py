"""The confidence head of a run's draft policy."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rsd_jax.array_types import PyTree
from rsd_jax.checkpoints import load_stage
from rsd_jax.heads.distance_head import DistanceConfig, DistanceHead
from rsd_jax.stored_models.known_network import known_network
from rsd_jax.stored_models.policy import PolicyMismatchError, StoredPolicy


@dataclass(frozen=True)
class StoredConfidence:
    """A trained confidence head: the network and its parameters."""

    model: DistanceHead
    params: PyTree


@dataclass(frozen=True)
class ConfidenceFacts:
    """What the checkpoint of a confidence head says beside its arrays.

    Attributes:
        model: its size.
        draft_hash: `StoredPolicy.params_hash` of the draft policy whose features it reads.
        tokenizer_hash: of the run's tokenizer.
        feature_noise: setting of its training, see `DistancePrediction`.
    """

    model: DistanceConfig
    draft_hash: str
    tokenizer_hash: str
    feature_noise: float

    def to_json(self) -> dict[str, Any]:
        """JSON values, as checkpoints keep them."""
        return asdict(self)

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> "ConfidenceFacts":
        """Inverse of `to_json`.

        Raises:
            TypeError, KeyError: a head that this version does not know.
        """
        return ConfidenceFacts(**{**content, "model": DistanceConfig(**content["model"])})


def load_confidence(run_dir: Path | str, draft: StoredPolicy) -> StoredConfidence:
    """Loads the best confidence head of a run, which reads the features of `draft`.

    Raises:
        CheckpointError: it is missing or damaged, or reads another draft policy's features.
    """
    stage = load_stage(run_dir, "confidence")
    train = "move the stage's folder away and train it again: python -m launch.train --config configs/confidence.py"
    with known_network(stage.metadata.stage, train):
        facts = ConfidenceFacts.from_json(stage.metadata.facts)
    if facts.draft_hash != draft.params_hash:
        raise PolicyMismatchError(
            f"stage 'confidence' reads features of draft policy {facts.draft_hash}, but the run's is "
            f"{draft.params_hash}; {train}"
        )
    return StoredConfidence(DistanceHead(facts.model), stage.variables["params"])

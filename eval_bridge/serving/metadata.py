"""What a server tells of its policy before anybody asks it for actions, as msgpack and JSON both have it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eval_bridge.serving.conventions import WireConventions
from rsd_jax.observation_needs import ObservationNeeds

SERVER_NAME = "rsd_jax"


@dataclass(frozen=True)
class ServedMetadata:
    """Which policy acts, and by what conventions.

    Attributes:
        decoder: its name. decoder_settings: of it.
        checkpoint: digests of what was trained, by stage. commit, version: of this project.
        policy_batch: rows of a call of the policy.
        seed: of the random numbers that decoders draw.
        needs: of its observations.
        conventions: of what it takes and gives.
    """

    decoder: str
    decoder_settings: str
    checkpoint: dict[str, str]
    commit: str | None
    version: str
    policy_batch: int
    seed: int
    needs: ObservationNeeds
    conventions: WireConventions

    def to_message(self) -> dict[str, Any]:
        """As servers send it."""
        return {
            "server": SERVER_NAME,
            "version": self.version,
            "commit": self.commit or "",
            "decoder": self.decoder,
            "decoder_settings": self.decoder_settings,
            "checkpoint": self.checkpoint,
            "policy_batch": self.policy_batch,
            "seed": self.seed,
            "cameras": list(self.needs.cameras),
            "state_size": self.needs.state_size,
            "conventions": self.conventions.to_json(),
        }


def is_ours(metadata: Mapping[Any, Any]) -> bool:
    """Whether a server's metadata are of this project: it then knows `eval_bridge.serving.decoding_details`."""
    return metadata.get("server") == SERVER_NAME

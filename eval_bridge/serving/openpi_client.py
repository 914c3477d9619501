"""A client of openpi's protocol (`PolicyClient`)."""

from typing import Any

from eval_bridge.policies.interface import PolicyOutput
from eval_bridge.policies.observation_needs import PolicyObservation
from eval_bridge.serving.client import ConventionSettings, PolicyServerError, Wire
from eval_bridge.serving.conventions import WireConventions, conventions_from
from eval_bridge.serving.decoding_details import EpisodeStartWords
from eval_bridge.serving.metadata import is_ours
from eval_bridge.serving.openpi_messages import observation_message, read_chunk, read_map

USUAL = WireConventions(image_size=224, actions_executed=5)
"""What openpi's own example of LIBERO does."""


class OpenpiClient:
    """One connection to a server of openpi's protocol."""

    metadata: dict[str, Any]
    conventions: WireConventions

    def __init__(self, wire: Wire, settings: ConventionSettings) -> None:
        """Hears what the server tells of itself.

        Raises:
            PolicyServerError: it tells nothing.
            ValueError: its conventions and those of `settings` are impossible.
        """
        self._wire, self.is_open = wire, True
        self.metadata = read_map(wire.receive())
        self._is_ours = is_ours(self.metadata)
        told = conventions_from(self.metadata.get("conventions"))
        self.conventions = settings.resolved(told, USUAL)
        self._words: EpisodeStartWords | None = None

    def begin(self, words: EpisodeStartWords) -> None:
        """See `PolicyClient`."""
        self._words = words

    def ask(self, observation: PolicyObservation) -> None:
        """See `PolicyClient`."""
        words, self._words = self._words, None
        message = observation_message(
            observation,
            self.conventions,
            begins=words is not None if self._is_ours else None,
            words=(words or EpisodeStartWords()) if self._is_ours else None,
        )
        self._wire.send(message)

    def answer(self) -> PolicyOutput:
        """See `PolicyClient`."""
        message = self._wire.receive()
        if isinstance(message, str):
            raise PolicyServerError(f"the policy's server failed: {message}")
        return read_chunk(read_map(message), self.conventions)

    def close(self) -> None:
        """See `PolicyClient`."""
        self.is_open = False
        self._wire.close()

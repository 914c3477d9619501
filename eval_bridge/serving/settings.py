"""What a server is asked for, as ``configs/serve.py`` explains it."""

from dataclasses import dataclass

from eval_bridge.serving.harness_protocol import HARNESS
from eval_bridge.serving.openpi_protocol import OPENPI

CLOSED = -1
"""In place of a port that is not to be opened."""

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class ServingLimits:
    """What a client may cost.

    Attributes:
        max_clients: at a time.
        max_frame_bytes: of a message.
        request_deadline: seconds within which a request is answered, or given up; also those within which a client
            must take its answer.
        silence_limit: seconds after which a client that answers no ping is dropped.

    Raises:
        ValueError: on construction, if one is not positive.
    """

    max_clients: int = 64
    max_frame_bytes: int = 4 * 2**20
    request_deadline: float = 10.0
    silence_limit: float = 120.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ValueError(f"limits.{name}={value} must be above 0.")


@dataclass(frozen=True)
class ServingSettings:
    """Where a policy is served, and how.

    Attributes:
        host: address to listen at.
        openpi_port, harness_port: of each protocol; 0 takes a free one, `CLOSED` leaves the protocol out. The same
            port twice serves both.
        resizes_images: whether frames of other sides than 256 pixels are taken.
        actions_executed: of a chunk, by the server that gives one action at a time; 0 for all.
        batch_wait: seconds (`Batcher`).
        seed: of the random numbers that decoders draw.
        limits: of clients.

    Raises:
        ValueError: on construction, if a number is out of range or no port is asked for.
    """

    host: str = "127.0.0.1"
    openpi_port: int = 8000
    harness_port: int = 8001
    resizes_images: bool = True
    actions_executed: int = 0
    batch_wait: float = 0.002
    seed: int = 7
    limits: ServingLimits = ServingLimits()

    def __post_init__(self) -> None:
        for name in ("openpi_port", "harness_port"):
            if not CLOSED <= getattr(self, name) < 2**16:
                raise ValueError(
                    f"{name}={getattr(self, name)} must be a port, 0 for a free one, or {CLOSED} for none."
                )
        if self.openpi_port == self.harness_port == CLOSED:
            raise ValueError(f"openpi_port and harness_port are both {CLOSED}: nobody could connect; give one a port.")
        if self.batch_wait < 0 or self.actions_executed < 0:
            raise ValueError(
                f"batch_wait={self.batch_wait} and actions_executed={self.actions_executed} must not be negative."
            )

    @property
    def protocol_ports(self) -> dict[str, int]:
        """The ports of the protocols that are spoken, as they are asked for."""
        ports = {OPENPI: self.openpi_port, HARNESS: self.harness_port}
        return {protocol: port for protocol, port in ports.items() if port != CLOSED}

    @property
    def is_local(self) -> bool:
        """Whether only this machine can connect."""
        return self.host in LOOPBACK

"""Where other people's policies are served, as configurations write it."""

from typing import NamedTuple

from eval_bridge.serving.harness_protocol import HARNESS
from eval_bridge.serving.openpi_protocol import OPENPI

PROTOCOLS = (OPENPI, HARNESS)

_SCHEMES = ("ws", "wss")


class ServerAddress(NamedTuple):
    """A protocol's name, and the websocket where it is spoken."""

    protocol: str
    url: str


def is_address(policy: str) -> bool:
    """Whether a policy is named by where it is served."""
    return "://" in policy


def read_address(policy: str, protocol: str) -> ServerAddress:
    """Reads ``ws://HOST:PORT`` (or ``wss``) of a `protocol`, or ``openpi://HOST:PORT``, which says it itself.

    Raises:
        ValueError: it is no such address, or no such protocol, or it holds a name and a token: an address is written
            into records and names of folders.
    """
    scheme, _, place = policy.partition("://")
    if scheme in PROTOCOLS:
        protocol, scheme = scheme, "ws"
    if protocol not in PROTOCOLS:
        raise ValueError(f"policy_protocol={protocol!r} must be one of {', '.join(PROTOCOLS)}.")
    if scheme not in _SCHEMES or not place:
        raise ValueError(
            f"policy={policy!r} is no address of a server: write ws://HOST:PORT, wss://HOST:PORT, or with the "
            f"protocol {' or '.join(f'{name}://HOST:PORT' for name in PROTOCOLS)}"
        )
    _, has_user, host = place.partition("/")[0].rpartition("@")
    if has_user:
        raise ValueError(
            f"policy={scheme}://***@{host} holds a user's name or a token, and an address is written into records: "
            "leave out what stands before the @, and give the token in the variable RSD_SERVE_TOKEN"
        )
    return ServerAddress(protocol, f"{scheme}://{place}")

"""Devices in hosts, and what connects them."""

from dataclasses import dataclass
from typing import NamedTuple


class Link(NamedTuple):
    """Between two devices: bytes a second that each sends, and seconds until the first byte of a message arrives."""

    bytes_per_second: float
    latency: float


@dataclass(frozen=True)
class Machine:
    """Hosts of equal devices.

    Attributes:
        matrix_rate: operations a second of a large bfloat16 product.
        copy_rate: bytes a second, read and written, of a device's memory.
        memory_bytes: of a device. usable_share: what JAX takes of it.
        devices_per_host: of a host, next to each other in the mesh.
        inside, between: links of a device inside its host, and to devices of other hosts.
    """

    matrix_rate: float
    copy_rate: float
    memory_bytes: float
    inside: Link
    between: Link
    devices_per_host: int = 8
    usable_share: float = 0.75

    def __post_init__(self) -> None:
        """Checks that it can compute, and has links."""
        for name in ("matrix_rate", "copy_rate", "memory_bytes", "devices_per_host", "usable_share"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be positive")
        for name in ("inside", "between"):
            link: Link = getattr(self, name)
            if link.bytes_per_second <= 0 or link.latency < 0:
                raise ValueError(f"{name} is {link}; bytes a second must be positive, and no latency negative")

    @property
    def usable_bytes(self) -> float:
        """Memory of a device that a program gets."""
        return self.memory_bytes * self.usable_share


H200 = Machine(
    matrix_rate=788e12,
    copy_rate=4.3e12,
    memory_bytes=141e9,
    inside=Link(450e9, 5e-6),
    between=Link(50e9, 10e-6),
)
"""Matrix and copy rates as measured on one; NVLink 4 (900 GB/s, both ways together) and one 400 Gb/s adapter a device
by their data sheets; latencies are assumed. JAX takes three quarters of the memory unless it is told otherwise."""

"""That JAX finds something to compute on, and how much room is there."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import jax


class NoDeviceError(ValueError):
    """JAX starts no device; the message says why, and what to do."""


def require_device() -> None:
    """Starts JAX's devices, if that has not happened yet.

    Raises:
        NoDeviceError: none starts.
    """
    import jax  # takes a second that a command without JAX need not wait

    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # for some platforms JAX asserts that there is one
        asked = os.environ.get("JAX_PLATFORMS", "")
        remedy = (
            "unset JAX_PLATFORMS to have the best device chosen, set it to cpu, or install what that platform needs "
            "(for NVIDIA: pip install 'jax[cuda12]' of the same version, and a driver)"
            if asked
            else "JAX_PLATFORMS=cpu computes on the processor"
        )
        reason = str(error).partition(" (set JAX_PLATFORMS")[0].strip(" .") or "there is no such device here"
        raise NoDeviceError(f"JAX starts no device (JAX_PLATFORMS={asked!r}): {reason}; {remedy}") from error


def free_bytes(devices: "Iterable[jax.Device]", at_peak: bool = False) -> int | None:
    """Free memory of the fullest of `devices`, now or when they held most; ``None`` where devices don't tell."""
    in_use = "peak_bytes_in_use" if at_peak else "bytes_in_use"
    statistics = [device.memory_stats() for device in devices]
    known = [stats for stats in statistics if stats and "bytes_limit" in stats]
    return min((stats["bytes_limit"] - stats[in_use] for stats in known), default=None)

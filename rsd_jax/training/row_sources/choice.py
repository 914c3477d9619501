"""Which source serves a run."""

import logging
from pathlib import Path

import numpy as np
from jax.sharding import Mesh

from rsd_jax.distributed import hosts
from rsd_jax.distributed.device import free_bytes
from rsd_jax.training.row_sources.interface import Rows, RowSource, count_rows, row_bytes
from rsd_jax.training.row_sources.resident import ResidentRows
from rsd_jax.training.row_sources.row_files import rows_on_disk
from rsd_jax.training.row_sources.row_order import RowOrder
from rsd_jax.training.row_sources.streamed import StreamedRows

logger = logging.getLogger(__name__)

PLACES = ("auto", "host", "disk", "device")
"""Values of ``training.data``."""

RESIDENT_SHARE = 0.5
"""Largest share of a device's free memory that rows may take; the rest is for activations and compiled programs."""

_WHOLE, _SPLIT, _TOO_MANY = 0, 1, 2


def open_rows(
    place: str, rows: Rows, order: RowOrder, mesh: Mesh, num_threads: int, folder: Path, name: str
) -> RowSource:
    """Brings `rows` where `place` says.

    Args:
        place: ``host`` (in memory), ``disk`` (in files, mapped), ``device``, or ``auto``: the device if it is
            an accelerator and the rows fit in `RESIDENT_SHARE` of its free memory, else the host.
        rows: training data.
        order: which rows a step takes.
        mesh: of `rsd_jax.distributed.mesh.make_mesh`.
        num_threads: threads that gather on the host.
        folder: where files of rows lie. name: what they are called there.

    Raises:
        ValueError: a batch that the devices cannot share evenly, or rows that do not fit on the devices.
    """
    num_shards = mesh.shape["data"] * mesh.shape["fsdp"]
    if order.batch_size % num_shards:
        raise ValueError(
            f"training.batch_size={order.batch_size} must be divisible by mesh data x fsdp = {num_shards}, so that "
            "every device gets the same number of rows"
        )
    if place == "auto" and mesh.devices.flat[0].platform == "cpu":
        place = "host"
    if place in ("auto", "device"):
        bytes_needed, bytes_free = count_rows(rows) * row_bytes(rows), free_bytes(mesh.local_devices)
        fit = int(hosts.from_primary(_fit(bytes_needed, bytes_free, num_shards)))
        if fit != _TOO_MANY:
            how = "split over the devices" if fit == _SPLIT else "whole on every device"
            logger.info("rows of %s (%.2f GiB) lie on the devices, %s", name, bytes_needed / 2**30, how)
            return ResidentRows(rows, order, mesh, is_split=fit == _SPLIT)
        if place == "device":
            raise ValueError(
                f"training.data=device: {bytes_needed} bytes of rows, split over {num_shards} devices, don't fit in "
                f"{RESIDENT_SHARE:.0%} of the {bytes_free} bytes that are free on each; give training.data=host or "
                "disk, or use more devices"
            )
    if place == "disk":
        rows = rows_on_disk(rows, folder, name)
    else:
        rows = {key: np.array(array) if isinstance(array, np.memmap) else array for key, array in rows.items()}
    logger.info("rows of %s are gathered by up to %d threads from %s", name, num_threads, place)
    return StreamedRows(rows, order, mesh, num_threads)


def _fit(bytes_needed: int, bytes_free: int | None, num_shards: int) -> int:
    """Whole on every device rather than split, for then no device asks the others."""
    if bytes_free is None or bytes_needed <= RESIDENT_SHARE * bytes_free:
        return _WHOLE
    return _SPLIT if bytes_needed <= RESIDENT_SHARE * bytes_free * num_shards else _TOO_MANY

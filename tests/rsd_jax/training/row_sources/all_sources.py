"""The same rows in every place where they can lie, and the batches that each gives."""

from pathlib import Path

import jax
import numpy as np
from jax.sharding import Mesh

from rsd_jax.distributed import hosts
from rsd_jax.training.row_sources import Dispatch, ResidentRows, RowOrder, StreamedRows
from rsd_jax.training.row_sources.row_files import rows_on_disk

NUM_ROWS, BATCH_SIZE, SEED = 10, 4, 3
DISPATCHES = [Dispatch(2, 1), Dispatch(3, 3), Dispatch(6, 3), Dispatch(9, 1)]
"""Over the ends of two epochs."""

PLACES = ("host", "disk", "device", "device, split")


def make_rows() -> dict[str, np.ndarray]:
    """Types and values that a sum or a cast would change: -0.0, NaN, subnormal numbers, False."""
    generator = np.random.default_rng(0)
    reals = generator.normal(size=(NUM_ROWS, 3)).astype(np.float32)
    reals[:, 0] = np.resize(np.float32([-0.0, np.nan, 1e-42, np.inf]), NUM_ROWS)
    return {
        "images": generator.integers(0, 256, (NUM_ROWS, 2, 4, 4, 3), np.uint8),
        "reals": reals,
        "words": generator.integers(-(2**31), 2**31, (NUM_ROWS, 2), np.int32),
        "mask": generator.random((NUM_ROWS, 5)) < 0.5,
    }


def expected_batches() -> list[dict[str, np.ndarray]]:
    """What NumPy picks."""
    order = RowOrder(NUM_ROWS, BATCH_SIZE, SEED)
    return [{n: a[order.indices(dispatch)] for n, a in make_rows().items()} for dispatch in DISPATCHES]


def make_source(place: str, mesh: Mesh, folder: Path, num_threads: int = 3) -> StreamedRows | ResidentRows:
    order, rows = RowOrder(NUM_ROWS, BATCH_SIZE, SEED), make_rows()
    if place.startswith("device"):
        return ResidentRows(rows, order, mesh, is_split=place.endswith("split"))
    if place == "disk":
        rows = rows_on_disk(rows, folder / "rows", "toy")
    return StreamedRows(rows, order, mesh, num_threads)


def read_batches(source: StreamedRows | ResidentRows, mesh: Mesh) -> list[dict[str, np.ndarray]]:
    """Batches of `DISPATCHES` as a compiled program sees them, several of a dispatch inside of a loop."""
    read = jax.jit(source.read)

    @jax.jit
    def read_all(resident, fed):
        return jax.lax.scan(lambda _, one: (None, source.read(resident, one)), None, fed)[1]

    batches = []
    for dispatch, fed in zip(DISPATCHES, source.feed(DISPATCHES), strict=True):
        batch = (read if dispatch.num_steps == 1 else read_all)(source.resident, fed)
        batches.append(hosts.fetch(batch))
    return batches


def bits_of(batches: list[dict[str, np.ndarray]]) -> list[dict[str, tuple]]:
    """Types, shapes and bytes, for comparison."""
    return [{n: (str(a.dtype), a.shape, a.tobytes()) for n, a in sorted(batch.items())} for batch in batches]


def compare_all(folder: Path, mesh: Mesh) -> None:
    """Compares the batches of every source with NumPy's choice, on all devices of all processes of a run."""
    for place in PLACES:
        source = make_source(place, mesh, folder)
        assert bits_of(read_batches(source, mesh)) == bits_of(expected_batches()), place
        if place == "device, split":
            shards = source.resident["words"].addressable_shards
            num_shards = mesh.shape["data"] * mesh.shape["fsdp"]
            assert {len(shard.data) for shard in shards} == {-(-NUM_ROWS // num_shards)}
        print("identical:", place, dict(mesh.shape))

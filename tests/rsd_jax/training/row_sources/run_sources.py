"""Compares the batches of every source with NumPy's choice, on all devices of all processes of a run.

python -m tests.rsd_jax.training.row_sources.run_sources FOLDER data=2,fsdp=2 data=2,tensor=2
"""

import sys
from pathlib import Path

from jax.sharding import Mesh

from rsd_jax.distributed import hosts
from rsd_jax.distributed.mesh import MeshConfig, make_mesh
from tests.rsd_jax.training.row_sources.all_sources import PLACES, bits_of, expected_batches, make_source, read_batches


def main(folder: Path, sizes: list[str]) -> None:
    hosts.initialise()
    for text in sizes:
        axes = (axis.split("=") for axis in text.split(","))
        compare(folder, make_mesh(MeshConfig(**{name: int(size) for name, size in axes})))


def compare(folder: Path, mesh: Mesh) -> None:
    for place in PLACES:
        source = make_source(place, mesh, folder)
        assert bits_of(read_batches(source, mesh)) == bits_of(expected_batches()), place
        if place == "device, split":
            shards = source.resident["words"].addressable_shards
            num_shards = mesh.shape["data"] * mesh.shape["fsdp"]
            assert {len(shard.data) for shard in shards} == {-(-10 // num_shards)}
        print("identical:", place, dict(mesh.shape))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])

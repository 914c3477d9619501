"""OpenVLA fine-tuned on one device, and on four that share parameters, batch and layers.

    python -m tests.rsd_jax.training.run_sharded_finetune FOLDER

The last line of its output is JSON: by way, the losses of each mesh, what lay whole on a device of it, and of how many
rows a device computed.
"""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax

from rsd_jax.distributed import hosts
from rsd_jax.distributed.mesh import MeshConfig, make_mesh
from rsd_jax.training.finetune_memory import positions
from rsd_jax.training.objectives.on_rows import Constants, OnRows
from rsd_jax.training.row_sources import Dispatch, RowOrder, count_rows, open_rows
from rsd_jax.training.stages import build_stage
from rsd_jax.training.train_state import create_train_state
from rsd_jax.training.train_step import make_optimizer, make_train_step
from tests.rsd_jax.training.openvla_runs import CONFIG, settings, small_run

STEPS = 2


def main(folder: Path) -> None:
    """Prints what a test looks at."""
    run_dir = small_run(folder)
    devices = jax.devices()
    meshes = {"one": make_mesh(MeshConfig(), devices[:1]), "four": make_mesh(MeshConfig(1, 2, 2), devices)}
    seen: dict[str, Any] = {}
    for way in ("lora", "full"):
        seen[way] = {name: trained(way, run_dir, mesh) for name, mesh in meshes.items()}
    print(json.dumps(seen))


def trained(way: str, run_dir: Path, mesh: Any) -> dict[str, Any]:
    """Losses of a few steps, and of arrays that `mesh` can split those that are whole on a device."""
    config = replace(CONFIG, learning_rate=1e-3)
    stage = build_stage("openvla_finetune", settings(way=way), run_dir, mesh)
    optimizer = make_optimizer(config, stage.moments_dtype)
    state, shardings = create_train_state(stage.objective, optimizer, False, 0, mesh, stage.starts_from())
    order = RowOrder(count_rows(stage.rows), config.batch_size, 0)
    source = open_rows("host", stage.rows, order, mesh, 1, run_dir, "rows")
    step = make_train_step(OnRows(stage.objective, source), optimizer, config, shardings, mesh)
    constants = Constants(source.resident, hosts.replicate(stage.frozen, mesh))
    whole = whole_matrices({"state": state.params, "moments": state.opt_state, "base": constants.frozen.base})
    losses, plan = [], [Dispatch(number, 1) for number in range(STEPS)]
    compiled: Any = None
    for _, fed in zip(plan, source.feed(plan), strict=True):
        compiled = compiled or step.lower(state, constants, fed).compile()
        state, metrics = compiled(state, constants, fed)
        losses.append(float(metrics["loss"]))
    return {
        "losses": losses,
        "whole": whole,
        "whole_behind": whole_matrices(state.params),
        "rows_of_products": rows_of_products(compiled.as_text(), positions(stage.objective.network.backbone)),
    }


def rows_of_products(program: str, places: int) -> list[int]:
    """Of how many rows' tokens the language model's matrix products are on a device."""
    sizes = {int(size) for size in re.findall(r"= f32\[(\d+),\d+\]\S* dot\(", program)}
    return [rows for rows in range(1, CONFIG.batch_size + 1) if rows * places in sizes]


def whole_matrices(tree: Any) -> list[str]:
    """Paths of arrays of more than one axis, but small tables, that a device holds whole."""
    return [
        jax.tree_util.keystr(path)
        for path, array in jax.tree_util.tree_leaves_with_path(tree)
        if array.ndim > 1 and array.size > 1000 and array.sharding.shard_shape(array.shape) == array.shape
    ]


if __name__ == "__main__":
    main(Path(sys.argv[1]))

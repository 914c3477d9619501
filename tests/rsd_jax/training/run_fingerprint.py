"""Everything a run left that must be equal between two runs, by name."""

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rsd_jax.checkpoints import StageCheckpoints
from rsd_jax.checkpoints.array_files import read_tree
from rsd_jax.content_check import read_checked_json

TIMES = ("seconds", "training")


def saved_arrays(folder: Path) -> dict[str, np.ndarray]:
    """Arrays of the best and the latest checkpoint: parameters, averages, optimizer state, key, step."""
    arrays = {}
    for which, tree in (("best", "variables"), ("latest", "variables"), ("latest", "training")):
        checkpoint = StageCheckpoints(folder).find(which)
        leaves = jax.tree_util.tree_leaves_with_path(read_tree(checkpoint / "arrays", tree))
        for path, leaf in leaves:
            arrays[f"{which}/{checkpoint.name}/{tree}{jax.tree_util.keystr(path)}"] = np.asarray(leaf)
    return arrays


def fingerprint(folder: Path) -> dict[str, Any]:
    """Bytes of all saved arrays, rows of ``metrics.jsonl`` and ``metrics.json``, all but the times."""
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return {
        **{name: array.tobytes() for name, array in saved_arrays(folder).items()},
        "rows": [{name: value for name, value in row.items() if name not in TIMES} for row in rows],
        "metrics": {
            name: value for name, value in read_checked_json(folder / "metrics.json").items() if name not in TIMES
        },
    }

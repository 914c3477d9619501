"""Measures how much a policy's chunks change with what it sees, and how near its draft policy's chunks come to them.

    python -m tests.benchmarks.policy_sensitivity --run_dir runs/NAME --out results/policy_sensitivity.json

On rows of the run's demonstrations, those that both policies learned from and those that were held out. What the
smallest change of the view does to the main policy's own chunk bounds how exactly a draft policy has to see; how much
nearer it comes on what it learned from tells whether it lacks data or size.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from launch.command_line import path_argument, run_command
from rsd_jax.atomic_files import write_json
from rsd_jax.checkpoints.stage_checkpoints import checkpoint_digests
from rsd_jax.provenance import device_name, git_commit
from rsd_jax.stored_models import load_draft_policy, load_policy
from rsd_jax.stored_models.policy import StoredPolicy
from rsd_jax.training.draft_inputs import BATCH, SEEN, draft_inputs, remembering
from rsd_jax.training.equal_batches import map_rows
from rsd_jax.training.look_rows import LOOK, with_looks
from rsd_jax.training.objectives.distillation import DraftError, draft_error
from rsd_jax.training.policy_rows import policy_rows_of
from rsd_jax.training.row_sources import Rows
from rsd_jax.training.stages.draft_evaluation import NEAR


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.policy_sensitivity", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--run_dir", type=path_argument, required=True, help="with demonstrations and draft policy")
    parser.add_argument("--rows", type=int, default=4096, help="of each part, at most")
    parser.add_argument("--heldout_every", type=int, help="left out, as the policy was trained")
    parser.add_argument("--out", type=path_argument, metavar="FILE.json", help="where the figures go")
    options = parser.parse_args(arguments)
    result = measure(options.run_dir, options.rows, options.heldout_every)
    for name, figures in (*result["draft"].items(), *result["views"].items()):
        print(f"{name:<44}" + "  ".join(f"{key} {value:.4g}" for key, value in figures.items()))
    if options.out is not None:
        write_json(options.out, result)


def measure(run_dir: Path, most: int, heldout_every: int | None = None) -> dict[str, Any]:
    """All figures; `heldout_every` tells demonstrations apart that are not those of the policies' training."""
    policy = load_policy(run_dir)
    draft = load_draft_policy(run_dir, policy)
    act, act_by_draft = _acting(policy), _acting(draft)
    rows = policy_rows_of(run_dir, policy.backbone, heldout_every or policy.heldout_every)
    of_draft, views = {}, {}
    for part, whole in (("learned from", rows.train), ("held out", rows.heldout)):
        seen, among = _seen(policy, draft, whole), _spread(len(whole["proprio"]), most)
        acted = act(seen, among)
        of_draft[f"draft, {part}"] = _figures(act_by_draft(seen, among), acted)
        if part == "held out":
            kept = {name: np.asarray(array)[among] for name, array in seen.items()}
            for name, change in changes(policy).items():
                changed = act(kept | change(kept), np.arange(len(among)))
                views[f"main policy, {name}"] = _figures(changed, acted)
    return {
        "draft": of_draft,
        "views": views,
        "checkpoints": checkpoint_digests(run_dir, ("policy", "draft_policy")),
        "device": device_name(),
        "commit": git_commit(),
    }


def changes(policy: StoredPolicy) -> dict[str, Callable[[Rows], Rows]]:
    """What is changed of rows, small enough to be nothing to a person."""
    rng = np.random.default_rng(0)

    def brighter(factor: float, levels: float) -> Callable[[Rows], Rows]:
        return lambda rows: {"images": _as_levels(rows["images"] * factor + levels)}

    def noisy(rows: Rows) -> Rows:
        return {"images": _as_levels(rows["images"] + rng.normal(0.0, 2.0, rows["images"].shape))}

    def elsewhere(rows: Rows) -> Rows:
        noise = 0.02 * np.asarray(policy.variables.proprio.scale) * rng.normal(size=rows["proprio"].shape)
        return {"proprio": (rows["proprio"] + noise).astype(np.float32)}

    return {
        "frames one pixel to the right": lambda rows: {"images": np.roll(rows["images"], 1, axis=-2)},
        "one level brighter": brighter(1.0, 1.0),
        "2 % brighter": brighter(1.02, 0.0),
        "noise of 2 levels": noisy,
        "state with noise of 0.02 deviations": elsewhere,
    }


def _seen(policy: StoredPolicy, draft: StoredPolicy, rows: Rows) -> Rows:
    """What both policies are given, by the draft's memory also what the main one made of an earlier frame."""
    if not draft.backbone.oldest_memory:
        return {name: rows[name] for name in SEEN}
    looks = with_looks(rows, remembering(policy)(rows), draft.backbone.chunk_length, draft.backbone.oldest_memory)
    return {name: looks[name] for name in (*SEEN, *LOOK)}


def _spread(rows: int, most: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, rows - 1, min(rows, most)).astype(np.int64))


def _acting(policy: StoredPolicy) -> Callable[[Rows, NDArray[np.int64]], NDArray[np.float32]]:
    """Normalised chunks of rows, by one program; the main policy is told of no earlier frame."""
    remembers = policy.backbone.oldest_memory

    @jax.jit
    def act(variables: Any, batch: Rows) -> jax.Array:
        inputs = draft_inputs(batch)
        inputs = inputs if remembers else inputs._replace(memory=None)
        return variables.action.normalize(policy.actions(variables, inputs))

    def chunks(rows: Rows, among: NDArray[np.int64]) -> NDArray[np.float32]:
        seen = {name: rows[name] for name in (*SEEN, *(LOOK if remembers else ()))}
        acted: NDArray[np.float32] = map_rows(partial(act, policy.variables), seen, BATCH, among)
        return acted

    return chunks


def _figures(chunks: NDArray[np.float32], acted: NDArray[np.float32]) -> dict[str, float]:
    error: DraftError = draft_error(jnp.asarray(chunks), jnp.asarray(acted))
    near = {f"within_{limit}": float((error.distance <= limit).mean()) for limit in NEAR}
    return {"l1": float(error.l1.mean()), "gripper_equal": float(error.same_gripper.mean()), **near}


def _as_levels(images: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    return np.clip(np.rint(images), 0, 255).astype(np.uint8)


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1:]))

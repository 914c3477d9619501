"""A frozen policy's features of every demonstrated step, computed once and kept in files that are mapped into memory.

They are large where the backbone is: eight steps of OpenVLA's 56 action slots are 0.46 MB a row in bfloat16. So they
are made piece by piece, which goes on after a stop, and whoever learns from them does without the backbone.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from numpy.typing import NDArray

from rsd_jax.backbones.interface import Backbone, ComputesIn
from rsd_jax.distributed.sharding_rules import batch_sharding
from rsd_jax.folder_lock import one_at_a_time
from rsd_jax.run_folder import ROWS_FOLDER
from rsd_jax.stored_models import StoredPolicy, load_policy
from rsd_jax.training.demonstrations import Split
from rsd_jax.training.equal_batches import equal_batches
from rsd_jax.training.objectives.behaviour_cloning import policy_inputs
from rsd_jax.training.policy_rows import policy_rows_digest, policy_rows_of
from rsd_jax.training.row_sources import Rows
from rsd_jax.training.row_sources.resumable_rows import make_rows, verify_rows
from rsd_jax.training.row_sources.row_files import map_rows_of

FEATURES_FORMAT = 2
"""Raised whenever the same policy makes other features of the same rows: when preprocessing or network change."""

BATCH = 256
"""Rows a call when a small policy or a head runs over all of them."""

_SEEN = ("images", "proprio", "instruction_ids")

OnRows = Callable[[int, int], Any]
"""Told of progress: rows that are there, of how many."""


class HeadRows(NamedTuple):
    """Features and actions of complete chunks.

    Attributes:
        features: ``[N, C, F]``, mapped into memory, in the type that the backbone computes in (`ComputesIn`).
        actions: demonstrated actions in the dataset's units, ``float32 [N, C, A]``.
    """

    features: NDArray[Any]
    actions: NDArray[np.float32]


class SplitHeadRows(NamedTuple):
    """Those of the training and of the held-out episodes."""

    train: HeadRows
    heldout: HeadRows


class _Computing(NamedTuple):
    """Features that a device has begun to compute: of which part's rows."""

    part: str
    rows: NDArray[np.integer]
    features: jax.Array


def stored_head_rows(run_dir: Path, policy: StoredPolicy) -> SplitHeadRows:
    """Features and labels of the training and the held-out episodes of a run.

    They are computed once for a policy, by `extract_features` or by whichever head comes first, and kept in files
    under ``run_dir/rows``.

    Args:
        run_dir: the run's folder.
        policy: whose backbone may have been left out (`load_policy`); it is loaded if it is needed.

    Raises:
        MissingDemonstrations: the run has none; names the command that makes them.
        DamagedRowFilesError: a file is missing or altered.
        OSError: the files cannot be written.
    """
    folder = features_folder(run_dir, policy)
    if not folder.exists():
        extract_features(run_dir, policy if policy.has_backbone else load_policy(run_dir))
    verify_rows(folder)
    stored = map_rows_of(folder)
    return SplitHeadRows(
        *(HeadRows(*(stored[f"{part}.{name}"] for name in HeadRows._fields)) for part in Split._fields)
    )


def features_folder(run_dir: Path, policy: StoredPolicy) -> Path:
    """Where the features lie; it exists if and only if all of them are there."""
    digest = policy_rows_digest(run_dir, policy.backbone, policy.heldout_every)
    return Path(run_dir) / ROWS_FOLDER / f"features{FEATURES_FORMAT}-{digest}-{policy.params_hash[:16]}"


def extract_features(
    run_dir: Path,
    policy: StoredPolicy,
    batch_size: int = BATCH,
    mesh: Mesh | None = None,
    on_rows: OnRows = lambda done, total: None,
) -> Path:
    """Writes the features of all complete chunks of a run's demonstrations, as far as they are not there.

    While one batch is computed the next is gathered and the last one written.

    Args:
        run_dir: the run's folder.
        policy: with its backbone, on `mesh`.
        batch_size: rows a call. An interrupted extraction goes on with the same.
        mesh: of `rsd_jax.distributed.mesh.make_mesh`, over whose devices a batch is split; None for one device.
        on_rows: see `OnRows`.

    Returns:
        The folder.

    Raises:
        MissingDemonstrations: the run has none.
        ValueError: the mesh cannot split the batch evenly.
        OSError: the files cannot be written; the same call goes on from what is there.
    """
    if mesh is not None and batch_size % (shards := mesh.shape["data"] * mesh.shape["fsdp"]):
        raise ValueError(f"batch_size={batch_size} must be divisible by mesh data x fsdp = {shards}")
    rows = policy_rows_of(run_dir, policy.backbone, policy.heldout_every)
    chunks = {part: complete_chunks(getattr(rows, part), policy.backbone) for part in Split._fields}
    batches = [
        (part, chosen[start : start + batch_size])
        for part, chosen in chunks.items()
        for start in range(0, len(chosen), batch_size)
    ]
    total = sum(map(len, chunks.values()))
    run = _feature_function(policy, mesh)

    def computed(some: Sequence[tuple[str, NDArray[np.integer]]]) -> Iterator[_Computing]:
        waiting: _Computing | None = None
        for part, chosen in some:
            seen = {name: getattr(rows, part)[name] for name in _SEEN}
            (batch,) = equal_batches(seen, batch_size, chosen)
            begun = _Computing(part, chosen, run(batch))
            if waiting is not None:
                yield waiting
            waiting = begun
        if waiting is not None:
            yield waiting

    def make(first: int) -> Iterator[Rows]:
        done = sum(len(chosen) for _, chosen in batches[:first])
        on_rows(done, total)
        for part, chosen, features in computed(batches[first:]):
            actions = getattr(rows, part)["actions"][chosen, : policy.backbone.chunk_length]
            yield {f"{part}.features": np.asarray(features)[: len(chosen)], f"{part}.actions": actions}
            done += len(chosen)
            on_rows(done, total)

    folder = features_folder(run_dir, policy)
    with one_at_a_time(folder.parent / f".{folder.name}.lock"):
        if not folder.exists():
            make_rows(folder, len(batches), make)
    return folder


def complete_chunks(rows: Rows, backbone: Backbone) -> NDArray[np.integer]:
    """The rows whose chunk does not reach behind its episode's end."""
    return np.flatnonzero(rows["mask"][:, : backbone.chunk_length].all(axis=1))


def _feature_function(policy: StoredPolicy, mesh: Mesh | None) -> Callable[[Rows], jax.Array]:
    """Gives a batch's features ``[B, C, F]`` before they are computed, in the type that loses none of them."""
    dtype = policy.backbone.compute_dtype if isinstance(policy.backbone, ComputesIn) else "float32"

    @jax.jit
    def run(variables: Any, batch: Mapping[str, jax.Array]) -> jax.Array:
        return policy.features(variables, policy_inputs(batch)).astype(jnp.dtype(dtype))

    def call(batch: Rows) -> jax.Array:
        placed = dict(batch) if mesh is None else jax.device_put(dict(batch), batch_sharding(mesh))
        return run(policy.variables, placed)

    return call

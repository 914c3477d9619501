"""From a published folder into the checkpoint of a policy, leaf by leaf."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict
from jax.sharding import Mesh
from numpy.typing import NDArray

from rsd_jax.checkpoints.stage_checkpoints import Leaf
from rsd_jax.distributed.sharding_rules import state_shardings
from rsd_jax.policy_network import HEAD
from rsd_jax.stored_models.openvla.published_folder import PublishedFolder
from rsd_jax.stored_models.openvla.published_names import ArrayPath, PublishedArray
from rsd_jax.stored_models.openvla.untrained_checkpoint import (
    HELDOUT_EVERY,
    new_policy_checkpoints,
    save_policy,
    untrained_facts,
)

UNUSED = "unused"
"""Tree of the published tensors that no output depends on, by name: the way back writes them as they were."""

OnBytes = Callable[[int], Any]
Shardings = dict[ArrayPath, jax.sharding.Sharding]


def write_checkpoint(
    folder: PublishedFolder,
    out: Path,
    source_name: str = "",
    dtype: str | None = None,
    mesh: Mesh | None = None,
    heldout_every: int = HELDOUT_EVERY,
    on_bytes: OnBytes = lambda count: None,
) -> Path:
    """Writes the policy of `folder` as the best policy of the run folder `out`; `load_policy` reads it.

    No more than a leaf, its tensors and a piece of the checkpoint are in host memory at once, beside the action head's
    file.

    Args:
        folder: of `open_published`.
        out: a run's folder without a policy.
        source_name: what the checkpoint calls its source.
        dtype: of the parameters; None leaves each as it was published.
        mesh: of `rsd_jax.distributed.mesh.make_mesh`: every leaf goes to its devices before it is written, and lies in
            the checkpoint as its parts, which load side by side.
        heldout_every: every how many-th episode of a task is held out from heads that learn on its features.
        on_bytes: called with the bytes of every leaf that was read, for progress.

    Returns:
        The checkpoint's folder.

    Raises:
        FileExistsError: `out` has a policy.
        CheckpointWriteError: `out` is full or not writable; nothing half-written remains.
        ValueError: the mesh does not divide an axis of the parameters, or there are several processes.
    """
    if jax.process_count() > 1:
        raise ValueError(f"a conversion is the work of one process, and this run has {jax.process_count()}")
    checkpoints = new_policy_checkpoints(out)
    facts = untrained_facts(folder.network, folder.ranges.state, folder.ranges.action, heldout_every)
    config = {"source": source_name, "statistics_key": folder.ranges.key, "dtype": dtype}
    shardings = None if mesh is None else _shardings(folder, mesh)
    return save_policy(checkpoints, _leaves(folder, dtype, shardings, on_bytes), facts, config, folder.files)


def _leaves(
    folder: PublishedFolder, dtype: str | None, shardings: Shardings | None, on_bytes: OnBytes
) -> Iterator[Leaf]:
    params = ("variables", "params")
    for array in folder.arrays:
        leaf = read_array(folder, array)
        on_bytes(leaf.nbytes)
        leaf = leaf if dtype is None else leaf.astype(jnp.dtype(dtype))
        yield (*params, *array.path), leaf if shardings is None else jax.device_put(leaf, shardings[array.path])
    if not any(array.path[0] == HEAD for array in folder.arrays):
        yield (*params, HEAD), {}
    yield ("variables", "model_state"), {}
    for name in folder.unused:
        tensor = folder.tensors.read(name)
        on_bytes(tensor.nbytes)
        yield (UNUSED, name), tensor


def read_array(folder: PublishedFolder, array: PublishedArray) -> NDArray[Any]:
    """An array of ours, read from `folder`."""
    tensors = [folder.tensors.read(name) for name in array.names]
    return array.layout.join(tensors, folder.shapes[array.path])


def _shardings(folder: PublishedFolder, mesh: Mesh) -> Shardings:
    return dict(flatten_dict(state_shardings(jax.eval_shape(folder.network.init, jax.random.key(0)), mesh)))

"""Best and latest checkpoint of a training stage.

``RUN/STAGE/best/00001500/`` and ``RUN/STAGE/latest/00002000/`` hold ``metadata.json`` and Orbax's ``arrays/``. A
checkpoint is written under a temporary name and renamed; only then are older ones removed, so that there is a whole
one at every moment.
"""

import hashlib
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from numpy.typing import NDArray

from rsd_jax.array_types import PyTree
from rsd_jax.atomic_files import whole_folder
from rsd_jax.checkpoints import array_files
from rsd_jax.checkpoints.errors import CheckpointWriteError, DamagedCheckpointError, MissingCheckpointError
from rsd_jax.checkpoints.manifest import MANIFEST, read_manifest, verify, write_manifest
from rsd_jax.checkpoints.metadata import CheckpointMetadata
from rsd_jax.checkpoints.params_hash import ParamsDigest, hash_params
from rsd_jax.checkpoints.saving import ARRAYS, Saving, remove_others
from rsd_jax.distributed import hosts

Which = Literal["best", "latest"]

Shardings = Callable[[CheckpointMetadata], PyTree]
"""Where the arrays of a checkpoint go, given what it says of itself: see `read_tree`."""

Leaf = tuple[tuple[str, ...], NDArray[Any] | jax.Array | dict[str, Any]]
"""An array and its path: the name of its tree and the keys from the outside in; or an empty dict in its place."""

_PARAMS = ("variables", "params")
"""Where the parameters are among the trees of a checkpoint."""

_PARAMS_HASH = "params_hash"
"""Entry of the manifest of a best checkpoint; earlier versions wrote none."""


class LoadedStage(NamedTuple):
    """A trained stage.

    Attributes:
        variables: ``{"params": ..., "model_state": ...}``, nested dicts of arrays, on the default local device if not
            asked for otherwise; the averaged parameters if the stage was trained with averaging.
        metadata: how it came to be.
        metrics: held-out evaluation of these variables.
        saved_hash: `params_hash` as it was taken when they were saved; ``None`` where an earlier version saved them.
        folder: of the checkpoint, with whatever files it has beside its arrays; ``None`` of one that was not loaded.
    """

    variables: dict[str, Any]
    metadata: CheckpointMetadata
    metrics: dict[str, Any]
    saved_hash: str | None
    folder: Path | None = None

    @property
    def params_hash(self) -> str:
        """`hash_params` of the parameters: their identity."""
        return self.saved_hash or hash_params(self.variables["params"])


class StageCheckpoints:
    """The checkpoints in one stage's folder. Every process of a run calls every method alike."""

    def __init__(self, directory: Path) -> None:
        """Nothing is created before the first save."""
        self.directory = Path(directory)

    def save(self, which: Which, trees: dict[str, PyTree], metadata: CheckpointMetadata) -> None:
        """Writes a checkpoint of `metadata.step`, then removes the one it supersedes.

        Args:
            which: ``best`` or ``latest``.
            trees: named trees of arrays; ``variables`` is what `load_stage` reads.
            metadata: facts about them.

        Raises:
            CheckpointWriteError: the folder is full or not writable for one of the processes; all of them raise it,
                and nothing half-written remains.
        """
        self.begin_saving(which, trees, metadata).finish()

    def begin_saving(self, which: Which, trees: dict[str, PyTree], metadata: CheckpointMetadata) -> Saving:
        """`save` that goes on in the background; one at a time, and `trees` must last until it is done."""
        folder = self.directory / which / f"{metadata.step:08d}"
        return Saving(folder, trees, metadata.to_json(), _stored_hash if which == "best" else lambda arrays: {})

    def save_piecewise(
        self, leaves: Iterable[Leaf], metadata: CheckpointMetadata, files: Mapping[str, Path], piece_bytes: int = 2**28
    ) -> Path:
        """Writes a best checkpoint of arrays that need not all fit into memory, and returns its folder.

        They are handed on in pieces of `piece_bytes`, or of a larger leaf; while one is written, copies of it take
        about as much several times over. This process must be the run's only one.

        Args:
            leaves: of all trees, in any order but for those of ``variables`` / ``params``, which come as
                `jax.tree.leaves` has them.
            metadata: facts about them.
            files: further files of the checkpoint, by their paths in its folder; they are copied.
            piece_bytes: how much is written at once.

        Raises:
            CheckpointWriteError: the folder is full or not writable; nothing half-written remains.
        """
        folder = self.directory / "best" / f"{metadata.step:08d}"
        digest = ParamsDigest()
        try:
            with whole_folder(folder, replaces=True) as partial:
                array_files.write_piecewise(partial / ARRAYS, _pieces(leaves, digest, piece_bytes))
                for name, source in files.items():
                    (partial / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(source, partial / name)
                write_manifest(partial, {**metadata.to_json(), _PARAMS_HASH: digest.hexdigest()})
            remove_others(folder)
        except OSError as error:
            raise CheckpointWriteError(folder, error) from error
        return folder

    def find(self, which: Which) -> Path | None:
        """Folder of the newest whole checkpoint, or ``None``."""
        return max((path for path in (self.directory / which).glob("[0-9]*") if path.name.isdigit()), default=None)

    def read_metadata(self, which: Which) -> CheckpointMetadata | None:
        """Metadata of the newest checkpoint, or ``None`` where there is none.

        Raises:
            DamagedCheckpointError: unreadable.
            FormatVersionError: written in another format.
        """
        folder = self.find(which)
        try:
            return None if folder is None else _read_metadata(folder)
        except DamagedCheckpointError:
            if folder is None or folder.exists():
                raise
            return self.read_metadata(which)  # a training has put a newer one in its place

    def restore(self, which: Which, like: dict[str, PyTree]) -> dict[str, PyTree]:
        """Restores trees exactly, in the structure and the shardings of the arrays in `like`.

        Raises:
            DamagedCheckpointError: files are missing, truncated or altered; the primary process looks, for all.
        """
        folder = self._verified(which)
        abstract = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), like)
        return array_files.read_like(folder / ARRAYS, abstract)

    def load_variables(self, which: Which, shardings: PyTree = None) -> dict[str, Any]:
        """Reads ``variables``, see `LoadedStage`, where `read_tree` puts them.

        Raises:
            DamagedCheckpointError: files are missing, truncated or altered.
            ValueError: `shardings` are of other variables.
        """
        return array_files.read_tree(self._verified(which) / ARRAYS, "variables", shardings)

    def _verified(self, which: Which) -> Path:
        """The newest checkpoint, whose files are as they were written: the primary process looks, for all."""
        folder = self.find(which)
        with hosts.all_or_none(f"verifying {folder}"):
            if folder is None:
                raise FileNotFoundError(f"no checkpoint in {self.directory / which}")
            if hosts.is_primary():
                verify(folder)
        return folder


def load_stage(
    run_dir: Path | str,
    stage: str,
    which: Which = "best",
    shardings: Shardings | None = None,
    leaves_out: Collection[str] = (),
) -> LoadedStage:
    """Loads a trained stage of a run, without its objective.

    Args:
        run_dir: the run's folder.
        stage: ``rfsq``, ``policy``, ``draft`` or ``main_head``.
        which: the best variables by held-out evaluation, or the latest.
        shardings: where the variables go; by default onto the default local device.
        leaves_out: networks, by the first key of their parameters, that are not read. What an earlier version saved is
            read whole, for its identity.

    Raises:
        MissingCheckpointError: the stage has not been trained.
        DamagedCheckpointError: files are missing, truncated or altered.
        FormatVersionError: written in another format.
    """
    checkpoints = StageCheckpoints(Path(run_dir) / stage)
    folder = checkpoints.find(which)  # once: a training may put a newer one in its place
    if folder is None:
        raise MissingCheckpointError(checkpoints.directory / which, stage, Path(run_dir))
    metadata, saved_hash = _read_metadata(folder), read_params_hash(folder)
    where = None if shardings is None else shardings(metadata)
    verify(folder)
    is_whole = not leaves_out or saved_hash is None
    variables = (
        array_files.read_tree(folder / ARRAYS, "variables", where)
        if is_whole
        else _read_without(folder / ARRAYS, leaves_out)
    )
    return LoadedStage(variables, metadata, metadata.metrics, saved_hash, folder)


def _read_without(arrays: Path, networks: Collection[str]) -> dict[str, Any]:
    """``variables`` without the parameters of `networks`."""
    described = flatten_dict(array_files.describe_trees(arrays)["variables"])
    paths = [path for path in described if not (path[0] == "params" and path[1] in networks)]
    read = array_files.read_leaves(arrays, "variables", paths)
    return {"params": {}, "model_state": {}} | unflatten_dict(jax.device_put(read))


def read_best_metadata(run_dir: Path | str, stage: str) -> CheckpointMetadata:
    """The metadata of a run's trained stage, without its arrays; raises as `load_stage`."""
    checkpoints = StageCheckpoints(Path(run_dir) / stage)
    metadata = checkpoints.read_metadata("best")
    if metadata is None:
        raise MissingCheckpointError(checkpoints.directory / "best", stage, Path(run_dir))
    return metadata


def read_params_hash(checkpoint: Path) -> str | None:
    """The identity of the parameters in a checkpoint's folder, as it was taken when they were saved; None if not."""
    saved = read_manifest(checkpoint).get(_PARAMS_HASH)
    return None if saved is None else str(saved)


def checkpoint_digests(run_dir: Path, stages: Iterable[str]) -> dict[str, str]:
    """Digest of every stage's best checkpoint, by stage: that of its manifest, which holds the digests of all files.

    Raises:
        MissingCheckpointError: a stage has no checkpoint.
    """
    digests = {}
    for stage in stages:
        checkpoint = StageCheckpoints(run_dir / stage).find("best")
        if checkpoint is None:
            raise MissingCheckpointError(run_dir / stage / "best", stage, run_dir)
        digests[stage] = hashlib.sha256((checkpoint / MANIFEST).read_bytes()).hexdigest()[:16]
    return digests


def changed_stages(run_dir: Path, digests: Mapping[str, str]) -> list[str]:
    """Stages whose best checkpoint is no longer the one of `digests`, which names each by `checkpoint_digests`.

    Raises:
        MissingCheckpointError: a stage has no checkpoint.
    """
    present = checkpoint_digests(run_dir, sorted(digests))
    return [stage for stage, digest in digests.items() if digest != present[stage]]


def _pieces(leaves: Iterable[Leaf], digest: ParamsDigest, piece_bytes: int) -> Iterator[PyTree]:
    """The leaves as nested dicts of about `piece_bytes`; `digest` is given those of the parameters."""
    piece: dict[tuple[str, ...], Any] = {}
    held = 0
    for path, leaf in leaves:
        if path[:2] == _PARAMS and not isinstance(leaf, dict):
            digest.add("".join(f"[{key!r}]" for key in path[2:]), np.asarray(leaf))
        piece[path] = leaf
        held += 0 if isinstance(leaf, dict) else leaf.nbytes
        if held >= piece_bytes:
            yield unflatten_dict(piece)
            piece, held = {}, 0
    if piece:
        yield unflatten_dict(piece)


def _stored_hash(arrays: Path) -> dict[str, Any]:
    """The identity of the parameters, from their files: no process need hold them whole for it."""
    digest = ParamsDigest()
    for path, leaf in array_files.stream_leaves(arrays, "variables", ("params",)):
        digest.add(jax.tree_util.keystr(path), leaf)
    return {_PARAMS_HASH: digest.hexdigest()}


def _read_metadata(folder: Path) -> CheckpointMetadata:
    content = read_manifest(folder)
    for of_the_files in ("files", _PARAMS_HASH):
        content.pop(of_the_files, None)
    return CheckpointMetadata.from_json(content, folder)

"""Best and latest checkpoint of a training stage.

``RUN/STAGE/best/00001500/`` and ``RUN/STAGE/latest/00002000/`` hold ``metadata.json`` and Orbax's ``arrays/``. A
checkpoint is written under a temporary name and renamed; only then are older ones removed, so that there is a whole
one at every moment.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
from jax.experimental.multihost_utils import sync_global_devices

from rsd_jax.array_types import PyTree
from rsd_jax.checkpoints import array_files, atomic_folder
from rsd_jax.checkpoints.atomic_folder import MANIFEST
from rsd_jax.checkpoints.errors import CheckpointWriteError, DamagedCheckpointError, MissingCheckpointError
from rsd_jax.checkpoints.metadata import CheckpointMetadata
from rsd_jax.checkpoints.params_hash import hash_params

Which = Literal["best", "latest"]

Shardings = Callable[[CheckpointMetadata], PyTree]
"""Where the arrays of a checkpoint go, given what it says of itself: see `read_tree`."""

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
    """

    variables: dict[str, Any]
    metadata: CheckpointMetadata
    metrics: dict[str, Any]
    saved_hash: str | None

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
            CheckpointWriteError: the folder is full or not writable; nothing half-written remains.
        """
        folder = self.directory / which / f"{metadata.step:08d}"
        content = metadata.to_json()
        if which == "best":
            content[_PARAMS_HASH] = hash_params(trees["variables"]["params"])
        partial = atomic_folder.partial_name(folder)
        try:
            if jax.process_index() == 0:
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir(parents=True)
            sync_global_devices(f"begin {folder}")
            array_files.write_trees(partial / "arrays", trees)
            if jax.process_index() == 0:
                atomic_folder.seal(folder, content)
                for other in folder.parent.iterdir():
                    if other != folder:
                        shutil.rmtree(other)
            sync_global_devices(f"end {folder}")
        except (OSError, ValueError) as error:  # Orbax reports a full disk as ValueError
            shutil.rmtree(partial, ignore_errors=True)
            raise CheckpointWriteError(folder, error) from error

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
        if folder is None:
            return None
        content = atomic_folder.read_manifest(folder)
        for of_the_files in ("files", _PARAMS_HASH):
            content.pop(of_the_files, None)
        return CheckpointMetadata.from_json(content, folder)

    def restore(self, which: Which, like: dict[str, PyTree]) -> dict[str, PyTree]:
        """Restores trees exactly, in the structure and the shardings of the arrays in `like`.

        Raises:
            DamagedCheckpointError: files are missing, truncated or altered.
        """
        folder = self._verified(which)
        abstract = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), like)
        return array_files.read_like(folder / "arrays", abstract)

    def load_variables(self, which: Which, shardings: PyTree = None) -> dict[str, Any]:
        """Reads ``variables``, see `LoadedStage`, where `read_tree` puts them.

        Raises:
            DamagedCheckpointError: files are missing, truncated or altered.
            ValueError: `shardings` are of other variables.
        """
        return array_files.read_tree(self._verified(which) / "arrays", "variables", shardings)

    def read_params_hash(self, which: Which) -> str | None:
        """`hash_params` of the newest checkpoint's parameters as it was saved; ``None`` where it says none."""
        folder = self.find(which)
        found = None if folder is None else atomic_folder.read_manifest(folder).get(_PARAMS_HASH)
        return None if found is None else str(found)

    def _verified(self, which: Which) -> Path:
        folder = self.find(which)
        if folder is None:
            raise FileNotFoundError(f"no checkpoint in {self.directory / which}")
        files = atomic_folder.read_manifest(folder).get("files")
        if not isinstance(files, dict):
            raise DamagedCheckpointError(folder, "its metadata lists no files")
        atomic_folder.verify(folder, files)
        return folder


def load_stage(
    run_dir: Path | str, stage: str, which: Which = "best", shardings: Shardings | None = None
) -> LoadedStage:
    """Loads a trained stage of a run, without its objective.

    Args:
        run_dir: the run's folder.
        stage: ``rfsq``, ``policy``, ``draft`` or ``main_head``.
        which: the best variables by held-out evaluation, or the latest.
        shardings: where the variables go; by default onto the default local device.

    Raises:
        MissingCheckpointError: the stage has not been trained.
        DamagedCheckpointError: files are missing, truncated or altered.
        FormatVersionError: written in another format.
    """
    checkpoints = StageCheckpoints(Path(run_dir) / stage)
    metadata = checkpoints.read_metadata(which)
    if metadata is None:
        raise MissingCheckpointError(checkpoints.directory / which, stage, Path(run_dir))
    variables = checkpoints.load_variables(which, None if shardings is None else shardings(metadata))
    return LoadedStage(variables, metadata, metadata.metrics, checkpoints.read_params_hash(which))


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

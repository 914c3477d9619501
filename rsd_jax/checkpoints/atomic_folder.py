"""Folders that exist complete or not at all, with digests of their files."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from rsd_jax.atomic_files import write_json
from rsd_jax.checkpoints.errors import DamagedCheckpointError

MANIFEST = "metadata.json"


def partial_name(folder: Path) -> Path:
    """Where `folder` is written before it is renamed."""
    return folder.with_name(f"{folder.name}.partial")


def seal(folder: Path, content: dict[str, Any]) -> None:
    """Adds `content` and the digests of all files to ``folder.partial``, then renames it to `folder`.

    A folder of that name moves away before and is removed after, so that nothing is lost in between.
    """
    partial = partial_name(folder)
    write_json(partial / MANIFEST, {**content, "files": _digests(partial)})
    replaced = folder.with_name(f"{folder.name}.replaced")
    if folder.exists():
        shutil.rmtree(replaced, ignore_errors=True)
        folder.rename(replaced)
    partial.rename(folder)
    shutil.rmtree(replaced, ignore_errors=True)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The content given to `seal`, with ``files``.

    Raises:
        DamagedCheckpointError: it is missing or no JSON object.
    """
    try:
        content = json.loads((folder / MANIFEST).read_text())
    except FileNotFoundError as error:
        raise DamagedCheckpointError(folder, f"{MANIFEST} is missing") from error
    except ValueError as error:
        raise DamagedCheckpointError(folder, f"{MANIFEST} is not valid JSON ({error})") from error
    if not isinstance(content, dict):
        raise DamagedCheckpointError(folder, f"{MANIFEST} holds no JSON object")
    return content


def verify(folder: Path, files: dict[str, str]) -> None:
    """Compares the files of `folder` with their digests.

    Raises:
        DamagedCheckpointError: a file is missing, truncated or altered.
    """
    found = _digests(folder)
    for name, digest in files.items():
        if name not in found:
            raise DamagedCheckpointError(folder, f"file {name} is missing")
        if found[name] != digest:
            raise DamagedCheckpointError(folder, f"file {name} is truncated or altered")


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST)
    digests = {}
    for path in files:
        with path.open("rb") as file:
            digests[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests

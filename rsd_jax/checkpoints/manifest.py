"""What a checkpoint's folder holds: facts, and the digests of all its files."""

import json
from pathlib import Path
from typing import Any

from rsd_jax.atomic_files import write_json
from rsd_jax.checkpoints.errors import DamagedCheckpointError
from rsd_jax.file_digests import folder_digests

MANIFEST = "metadata.json"


def write_manifest(folder: Path, content: dict[str, Any]) -> None:
    """Adds `content` and the digests of all files to `folder`.

    Raises:
        OSError: it could not be written.
    """
    write_json(folder / MANIFEST, {**content, "files": _digests(folder)})


def read_manifest(folder: Path) -> dict[str, Any]:
    """The content given to `write_manifest`, with ``files``.

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


def verify(folder: Path) -> None:
    """Compares the files of `folder` with their digests.

    Raises:
        DamagedCheckpointError: a file is missing, truncated or altered, or the manifest lists none.
    """
    files = read_manifest(folder).get("files")
    if not isinstance(files, dict):
        raise DamagedCheckpointError(folder, "its metadata lists no files")
    found = _digests(folder)
    for name, digest in files.items():
        if name not in found:
            raise DamagedCheckpointError(folder, f"file {name} is missing")
        if found[name] != digest:
            raise DamagedCheckpointError(folder, f"file {name} is truncated or altered")


def _digests(folder: Path) -> dict[str, str]:
    return {name: digest for name, digest in folder_digests(folder).items() if name != MANIFEST}

"""What a checkpoint's folder holds: facts, the digests of all its files, and beside them the digest of the facts."""

import hashlib
import json
import logging
from functools import cache
from pathlib import Path
from typing import Any

from rsd_jax.atomic_files import write_atomically, write_json
from rsd_jax.checkpoints.errors import DamagedCheckpointError
from rsd_jax.file_digests import folder_digests

MANIFEST = "metadata.json"

MANIFEST_DIGEST = "metadata.sha256"
"""Digest of `MANIFEST`, as ``sha256sum`` writes it. A file of its own: the manifest's bytes identify a checkpoint."""

_LOGGER = logging.getLogger(__name__)


def write_manifest(folder: Path, content: dict[str, Any]) -> None:
    """Adds `content` and the digests of all files to `folder`.

    Raises:
        OSError: it could not be written.
    """
    (folder / MANIFEST_DIGEST).unlink(missing_ok=True)
    write_json(folder / MANIFEST, {**content, "files": _digests(folder)})
    write_atomically(folder / MANIFEST_DIGEST, _digest_line((folder / MANIFEST).read_bytes()))


def read_manifest(folder: Path) -> dict[str, Any]:
    """The content given to `write_manifest`, with ``files``.

    Raises:
        DamagedCheckpointError: it is missing, no JSON object, or not what it was when it was written.
    """
    try:
        data = (folder / MANIFEST).read_bytes()
        content = json.loads(data)
    except FileNotFoundError as error:
        raise DamagedCheckpointError(folder, f"{MANIFEST} is missing") from error
    except ValueError as error:
        raise DamagedCheckpointError(folder, f"{MANIFEST} is not valid JSON ({error})") from error
    if not isinstance(content, dict):
        raise DamagedCheckpointError(folder, f"{MANIFEST} holds no JSON object")
    _check_unaltered(folder, data)
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


def _check_unaltered(folder: Path, manifest: bytes) -> None:
    """Compares the manifest's bytes with their digest, if there is one."""
    try:
        told = (folder / MANIFEST_DIGEST).read_bytes()
    except FileNotFoundError:
        _note_without_digest(folder)
        return
    if told != (found := _digest_line(manifest)).encode():
        raise DamagedCheckpointError(
            folder,
            f"{MANIFEST} is altered, or {MANIFEST_DIGEST} is: it reads {told.decode(errors='replace').strip()!r}, the "
            f"file has {found.strip()!r}",
        )


@cache
def _note_without_digest(folder: Path) -> None:
    """Once a folder and process: every loading reads it several times."""
    _LOGGER.warning(
        "%s has no %s, as an earlier version wrote it: whether its %s is unaltered cannot be told.",
        folder,
        MANIFEST_DIGEST,
        MANIFEST,
    )


def _digest_line(manifest: bytes) -> str:
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n"


def _digests(folder: Path) -> dict[str, str]:
    return {name: digest for name, digest in folder_digests(folder).items() if name not in (MANIFEST, MANIFEST_DIGEST)}

"""The small files of a published folder that are JSON."""

import json
from pathlib import Path
from typing import Any

from rsd_jax.stored_models.openvla.errors import PublishedFolderError


def read_json_object(file: Path) -> dict[str, Any]:
    """The content of `file`, whose outermost value is an object.

    Raises:
        PublishedFolderError: it is missing, no JSON, or holds something else.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PublishedFolderError(file.parent, [f"{file.name} is missing"]) from error
    except ValueError as error:
        raise PublishedFolderError(file.parent, [f"{file.name} is no JSON ({error})"]) from error
    if not isinstance(content, dict):
        raise PublishedFolderError(file.parent, [f"{file.name} holds no JSON object"])
    return content

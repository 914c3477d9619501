"""Small files that are whole or not there."""

import json
import os
from pathlib import Path
from typing import Any


def write_atomically(path: Path, text: str) -> None:
    """Replaces `path` by `text`; after a failure (a full disk) the earlier file is still there, and nothing else.

    Raises:
        OSError: it could not be written.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Replaces `path` by `content` as JSON, as `write_atomically` does.

    Raises:
        TypeError: `content` has what JSON has not.
        OSError: it could not be written.
    """
    write_atomically(path, json.dumps(content, indent=2) + "\n")

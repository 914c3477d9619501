"""A check that travels with JSON content, so that whoever reads it again knows that no character has changed."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rsd_jax.atomic_files import write_atomically

CHECK = "check"
"""Name under which the check stands, behind everything that it covers."""

_DIGITS = 16


class DamagedJsonError(ValueError):
    """A file does not hold what was written into it."""

    def __init__(self, path: Path, reason: object) -> None:
        """Names the file and what is wrong with it."""
        super().__init__(
            f"{path} is damaged: {reason}. Put back an intact copy, or move it away and run again what makes it"
        )


class AlteredContentError(ValueError):
    """Content is not what it was when its check was made."""


def with_check(content: Mapping[str, Any]) -> dict[str, Any]:
    """`content` with its check at the end.

    Raises:
        TypeError: `content` has what JSON has not.
    """
    return {**content, CHECK: _check(json.loads(json.dumps(content)))}  # as it comes back: keys are strings then


def without_check(content: Mapping[str, Any]) -> dict[str, Any]:
    """What `with_check` was given, as it came back from JSON. Content of earlier versions, without a check, passes.

    Raises:
        AlteredContentError: it is not what the check was made of.
    """
    if CHECK in content:
        rest = {name: value for name, value in content.items() if name != CHECK}
        if content[CHECK] != (found := _check(rest)):
            raise AlteredContentError(
                f"its check is {content[CHECK]!r}, that of what it holds is {found!r}: it has been altered"
            )
        return rest
    *others, last = content or [CHECK]
    if others and content[last] == _check({name: content[name] for name in others}):
        raise AlteredContentError(f"the name of its check is {last!r} in place of {CHECK!r}: it has been altered")
    return dict(content)


def _check(content: Mapping[str, Any]) -> str:
    """The first digits of the SHA-256 of `content` in one way of writing it."""
    written = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(written.encode()).hexdigest()[:_DIGITS]


def write_checked_json(path: Path, content: Mapping[str, Any], *, indent: int = 2, allow_nan: bool = True) -> None:
    """Replaces `path` by `content` and its check as JSON, whole or not at all.

    Raises:
        TypeError: `content` has what JSON has not.
        ValueError: it has NaN or an infinity, and `allow_nan` is False.
        OSError: it could not be written.
    """
    write_atomically(path, json.dumps(with_check(content), indent=indent, allow_nan=allow_nan) + "\n")


def read_checked_json(path: Path) -> dict[str, Any]:
    """The object that a file holds, without its check; files of earlier versions have none and are read.

    Raises:
        DamagedJsonError: it is no JSON object, or not what was written.
        OSError: it cannot be read.
    """
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise DamagedJsonError(path, f"it is no JSON ({error})") from error
    if not isinstance(content, dict):
        raise DamagedJsonError(path, f"it holds a {type(content).__name__} in place of an object")
    try:
        return without_check(content)
    except AlteredContentError as error:
        raise DamagedJsonError(path, error) from error

"""JSON files that describe a dataset: one object, or one a line."""

import json
from pathlib import Path
from typing import Any

from rsd_jax.demos.file_errors import ALL_EPISODES, DemoFileError


def read_json_object(path: Path) -> dict[str, Any]:
    """Reads a file that holds one object. Raises `DemoFileError` if it is missing, no JSON, or something else."""
    return _parse(path, _read_text(path))


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Reads a file with an object a line. Raises `DemoFileError` as `read_json_object` does, naming the line."""
    # A line ends at "\n" and nowhere else: texts hold U+2028 and its like unescaped.
    lines = enumerate(_read_text(path).split("\n"), start=1)
    return [_parse(path, line, f" in line {number}") for number, line in lines if line.strip()]


def _read_text(path: Path) -> str:
    if not path.is_file():
        raise DemoFileError(path, ALL_EPISODES, "file", "is missing; the download is not complete")
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise DemoFileError(path, ALL_EPISODES, "content", f"is not JSON ({error})") from error


def _parse(path: Path, content: str, place: str = "") -> dict[str, Any]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:  # also numbers of too many digits
        raise DemoFileError(path, ALL_EPISODES, "content", f"is not JSON{place} ({error})") from error
    if not isinstance(value, dict):
        raise DemoFileError(path, ALL_EPISODES, "content", f"is {value!r:.80}{place}; expected an object with names")
    return value

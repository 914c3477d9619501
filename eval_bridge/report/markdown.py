"""Tables in Markdown, and the places of a document that are made from results."""

import os
from collections.abc import Sequence
from pathlib import Path

from rsd_jax.atomic_files import write_atomically


def markers(name: str) -> tuple[str, str]:
    """The lines between which the section `name` stands."""
    return f"<!-- {name} -->", f"<!-- /{name} -->"


def insert(text: str, name: str, section: str) -> str:
    """`text` with `section` between the markers of `name`.

    Raises:
        ValueError: a marker is missing.
    """
    begin, end = markers(name)
    if begin not in text or end not in text:
        raise ValueError(f"the document has no place for {name}: it needs the lines {begin} and {end}")
    before, _, rest = text.partition(begin)
    return f"{before}{begin}\n{section}\n{end}{rest.partition(end)[2]}"


def renew(document: Path, name: str, section: str) -> None:
    """Puts `section` into the file `document`, whole or not at all; raises as `insert` does, or `OSError`."""
    write_atomically(document, insert(document.read_text(encoding="utf-8"), name, section))


def section_of(text: str, name: str) -> str:
    """What stands between the markers of `name`; raises ValueError where a marker is missing."""
    begin, end = markers(name)
    if begin not in text or end not in text:
        raise ValueError(f"the document has no section {name}: it needs the lines {begin} and {end}")
    return text.partition(f"{begin}\n")[2].partition(f"\n{end}")[0]


def link_to(target: Path, document: Path) -> str:
    """A link from `document` to the file `target`, which is named as it is given; both lie below the same folder."""
    return f"[`{target.as_posix()}`]({Path(os.path.relpath(target, document.parent)).as_posix()})"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; each row begins with its name."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

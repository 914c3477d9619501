"""Tables in Markdown, and the places of a document that are made from results."""

from collections.abc import Sequence
from pathlib import Path

from rsd_jax.atomic_files import write_atomically


def markers(name: str) -> tuple[str, str]:
    """The lines between which the section `name` stands."""
    return f"<!-- {name} -->", f"<!-- /{name} -->"


def insert(readme: str, name: str, section: str) -> str:
    """`readme` with `section` between the markers of `name`.

    Raises:
        ValueError: a marker is missing.
    """
    begin, end = markers(name)
    if begin not in readme or end not in readme:
        raise ValueError(f"the readme has no place for {name}: it needs the lines {begin} and {end}")
    before, _, rest = readme.partition(begin)
    return f"{before}{begin}\n{section}\n{end}{rest.partition(end)[2]}"


def renew(readme: Path, name: str, section: str) -> None:
    """Puts `section` into the file `readme`, whole or not at all; raises as `insert` does, or `OSError`."""
    write_atomically(readme, insert(readme.read_text(encoding="utf-8"), name, section))


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; each row begins with its name."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

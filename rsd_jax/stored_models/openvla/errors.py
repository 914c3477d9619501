"""What can be wrong with a published folder: all of it is told at once."""

from collections.abc import Sequence
from pathlib import Path

SHOWN = 40
"""Lines of a message; a folder of another model has hundreds of names too many."""


class PublishedFolderError(ValueError):
    """A folder does not hold what OpenVLA's published folders do."""

    def __init__(self, folder: Path, problems: Sequence[str]) -> None:
        """Names the folder and everything that is wrong with it."""
        lines = [f"  {problem}" for problem in problems[:SHOWN]]
        if len(problems) > SHOWN:
            lines.append(f"  ... and {len(problems) - SHOWN} more")
        super().__init__(f"{folder} cannot be converted; nothing was written:\n" + "\n".join(lines))

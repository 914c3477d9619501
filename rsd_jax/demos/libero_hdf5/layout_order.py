"""How the demonstrations of a file were laid out, where that was drawn for them and not by the task's own reset."""

from pathlib import Path
from typing import Any

from rsd_jax.demos.libero_hdf5.reading import of_each_episode


def layouts_in_order(path: Path) -> list[dict[str, Any]]:
    """What the attribute ``layout`` of each demonstration tells, in their order, without reading their content.

    It is empty where a demonstration has none: where the task's own reset placed everything.

    Raises:
        DemoFileError: the file is damaged, or a layout is no JSON object.
    """
    return of_each_episode(path, lambda episode: episode.json("layout"))

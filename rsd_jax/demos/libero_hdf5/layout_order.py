"""How the demonstrations of a file were laid out, where that was drawn for them and not by the task's own reset."""

from pathlib import Path
from typing import Any

from rsd_jax.demos.libero_hdf5.files import episode_names, naming_damage, opened
from rsd_jax.demos.libero_hdf5.stored_episode import StoredEpisode


def layouts_in_order(path: Path) -> list[dict[str, Any]]:
    """What the attribute ``layout`` of each demonstration tells, in their order, without reading their content.

    It is empty where a demonstration has none: where the task's own reset placed everything.

    Raises:
        DemoFileError: the file is damaged, or a layout is no JSON object.
    """
    path = Path(path)
    found = []
    with opened(path) as file:
        for name in episode_names(path, file):
            with naming_damage(path, name):
                found.append(StoredEpisode(path, file["data"], name).json("layout"))
    return found

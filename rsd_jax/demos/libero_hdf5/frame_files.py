"""A demonstration once more, with frames."""

from pathlib import Path

from rsd_jax.demos.demo import DemoFrames
from rsd_jax.demos.libero_hdf5.files import complete_or_absent, naming_damage, opened
from rsd_jax.demos.libero_hdf5.layout import FRAME_KEYS
from rsd_jax.demos.libero_hdf5.stored_episode import StoredEpisode
from rsd_jax.demos.libero_hdf5.writing import write_frames


def write_with_frames(source: Path, name: str, frames: DemoFrames, path: Path) -> None:
    """Writes a file that holds one demonstration of another file, everything as it is there, with these frames.

    Args:
        source: the other file.
        name: of the demonstration there, such as ``demo_3``.
        frames: one for each of its steps.
        path: appears only when it is complete.

    Raises:
        ValueError: there are more or fewer frames than steps.
        DemoFileError: the source is damaged.
        OSError: the folder cannot be written, or is full.
    """
    with opened(source) as file, complete_or_absent(path) as copy:
        data = copy.create_group("data")
        with naming_damage(source, name):
            episode = StoredEpisode(source, file["data"], name)
            data.attrs.update(file["data"].attrs)
            file.copy(episode.group, data, name="demo_0")
            StoredEpisode(path, data, "demo_0").keep_instruction(episode.instruction)
        group = data["demo_0"]
        steps = len(group["actions"])
        if {len(view) for view in frames} != {steps}:
            raise ValueError(
                f"frames has {[len(view) for view in frames]} frames, but {name} of {source} has {steps} steps."
            )
        for key in FRAME_KEYS:
            if key in group:
                del group[key]
        write_frames(group, frames)
        data.attrs["num_demos"], data.attrs["total"] = 1, steps

"""Files of many demonstrations from files of few."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rsd_jax.demos.libero_hdf5.files import complete_or_absent, episode_names, naming_damage, opened
from rsd_jax.demos.libero_hdf5.reading import read_seeds
from rsd_jax.demos.libero_hdf5.stored_episode import StoredEpisode


class _Stored(NamedTuple):
    path: Path
    name: str


def merge(sources: Sequence[Path], path: Path) -> None:
    """Writes the demonstrations of several files of one task, ordered by their seeds, into one file.

    `path` may be among `sources`: it is replaced when the new file is complete. A seed found twice is kept once.

    Raises:
        ValueError: there is no demonstration in `sources`.
        DemoFileError: a source is damaged, or one of its demonstrations carries no seed.
        OSError: the folder cannot be written, or is full.
    """
    source_of = {seed: source for source in sources for seed in read_seeds(source)}
    chosen = []
    for seed in sorted(source_of):
        with opened(source_of[seed]) as file, naming_damage(source_of[seed]):
            data = file["data"]
            name = next(name for name in episode_names(source_of[seed], file) if data[name].attrs["seed"] == seed)
        chosen.append(_Stored(source_of[seed], name))
    _copy(chosen, sources, path)


def concatenate(sources: Sequence[Path], path: Path) -> None:
    """Writes the demonstrations of several files of one task into one file, in the order of `sources`.

    Raises:
        ValueError: there is no demonstration in `sources`.
        DemoFileError: a source is damaged.
        OSError: the folder cannot be written, or is full.
    """
    chosen = []
    for source in sources:
        with opened(source) as file:
            chosen += [_Stored(source, name) for name in episode_names(source, file)]
    _copy(chosen, sources, path)


def _copy(chosen: Sequence[_Stored], sources: Sequence[Path], path: Path) -> None:
    if not chosen:
        raise ValueError(f"sources hold no demonstration: {[str(source) for source in sources]}")
    total, instructions = 0, []
    with complete_or_absent(path) as merged:
        data = merged.create_group("data")
        for index, (source, name) in enumerate(chosen):
            with opened(source) as file, naming_damage(source, name):
                episode = StoredEpisode(source, file["data"], name)
                file.copy(episode.group, data, name=f"demo_{index}")
                data.attrs.update(file["data"].attrs)
                instructions.append(episode.instruction)
                total += len(episode.array("actions"))
        for index, instruction in enumerate(instructions):
            StoredEpisode(path, data, f"demo_{index}").keep_instruction(instruction)
        data.attrs["num_demos"], data.attrs["total"] = len(chosen), total

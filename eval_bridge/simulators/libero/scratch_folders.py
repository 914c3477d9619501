"""Where LIBERO and its parts write: not into the home folder, and beside installed code only where that is possible.

All of it is caches that can be made again, in a folder of this user's for temporary files.
"""

import importlib.util
import os
import stat
import tempfile
from pathlib import Path

_CACHES = {"MPLCONFIGDIR": "matplotlib", "MESA_SHADER_CACHE_DIR": "mesa"}
"""Variable -> folder."""

_COMPILED = {"NUMBA_CACHE_DIR": "numba"}
"""numba keeps what it compiles, which takes 15 s, beside robosuite's code; where it cannot, there."""


def use_scratch_folders() -> None:
    """Directs caches to a folder of this user's, where no variable names another, here and in processes started here.

    Where the user has no home folder, as in many containers, that folder also stands in for it.

    Raises:
        OSError: there is no folder for temporary files.
    """
    caches = _CACHES if _keeps_what_it_compiles() else _CACHES | _COMPILED
    missing = {variable: name for variable, name in caches.items() if variable not in os.environ}
    home_is_known = _has_home()
    if not missing and home_is_known:
        return
    own = _own_folder()
    for variable, name in missing.items():
        (own / name).mkdir(exist_ok=True, mode=0o700)
        os.environ[variable] = str(own / name)
    if not home_is_known:
        os.environ["HOME"] = str(own)


def _has_home() -> bool:
    try:
        Path.home()
    except RuntimeError:  # HOME is not set, and nobody knows the user
        return False
    return True


def _keeps_what_it_compiles() -> bool:
    """Whether numba can write beside the functions of robosuite that it compiles."""
    robosuite = importlib.util.find_spec("robosuite")
    if robosuite is None or robosuite.origin is None:
        return True
    code = Path(robosuite.origin).with_name("utils")
    cache = code / "__pycache__"
    return os.access(cache if cache.exists() else code, os.W_OK | os.X_OK)


def _own_folder() -> Path:
    """A folder that nobody else may write to: numba runs what it finds in its cache."""
    user = os.getuid()
    folder = Path(tempfile.gettempdir()) / f"rsd_jax_caches_{user}"
    folder.mkdir(exist_ok=True, mode=0o700)
    found = folder.lstat()
    others_may_write = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if stat.S_ISDIR(found.st_mode) and found.st_uid == user and not others_may_write and os.access(folder, os.W_OK):
        return folder
    return Path(tempfile.mkdtemp(prefix="rsd_jax_caches_"))

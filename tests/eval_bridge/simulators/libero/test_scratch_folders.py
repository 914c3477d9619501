import os
import tempfile
from pathlib import Path

import pytest

from eval_bridge.simulators.libero import scratch_folders
from eval_bridge.simulators.libero.scratch_folders import use_scratch_folders


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """The variables of a process with a home folder, and a folder of its own for temporary files."""
    variables = {"HOME": str(tmp_path / "home")}
    monkeypatch.setattr(os, "environ", variables)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return variables


def test_caches_of_others_are_not_used(environment, tmp_path):
    """Whoever can write there decides what runs here."""
    folder = tmp_path / f"rsd_jax_caches_{os.getuid()}"
    use_scratch_folders()
    assert environment["MPLCONFIGDIR"] == str(folder / "matplotlib")
    del environment["MPLCONFIGDIR"]
    folder.chmod(0o777)
    use_scratch_folders()
    own = Path(environment["MPLCONFIGDIR"]).parent
    assert own.parent == tmp_path
    assert own != folder
    assert own.stat().st_mode & 0o777 == 0o700


def test_what_the_user_has_set_stays(environment):
    environment["MPLCONFIGDIR"] = "/own"
    use_scratch_folders()
    assert environment["MPLCONFIGDIR"] == "/own"
    assert environment["HOME"].endswith("/home")


@pytest.mark.parametrize("is_writable", [False, True])
def test_compiled_functions_stay_beside_their_code_where_that_can_be_written(environment, monkeypatch, is_writable):
    monkeypatch.setattr(scratch_folders, "_keeps_what_it_compiles", lambda: is_writable)
    use_scratch_folders()
    assert ("NUMBA_CACHE_DIR" in environment) == (not is_writable)

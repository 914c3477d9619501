import re
import shutil
import subprocess

import pytest

from rsd_jax import provenance


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The code as it lies in an environment inside a repository of somebody else's."""
    file = tmp_path / "site-packages" / "rsd_jax" / "provenance.py"
    file.parent.mkdir(parents=True)
    shutil.copy(provenance.__file__, file)
    (tmp_path / "theirs.py").touch()
    git("init", "--quiet", folder=tmp_path)
    git("add", "theirs.py", folder=tmp_path)
    commit(tmp_path)
    monkeypatch.setattr(provenance, "__file__", str(file))
    monkeypatch.delenv("RSD_COMMIT", raising=False)
    return tmp_path


def git(*arguments, folder):
    subprocess.run(["git", *arguments], cwd=folder, check=True)


def commit(folder):
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message=x", folder=folder)


def git_commit():
    return provenance.git_commit.__wrapped__()  # the answer is kept for a process


def test_the_commit_of_another_project_is_not_this_ones(installed):
    assert git_commit() is None


def test_a_checkout_tells_its_commit_and_a_variable_comes_first(installed, monkeypatch):
    git("add", ".", folder=installed)
    commit(installed)
    assert re.fullmatch("[0-9a-f]{40}", git_commit())
    (installed / "theirs.py").write_text("changed")
    assert git_commit().endswith("-dirty")
    monkeypatch.setenv("RSD_COMMIT", "abc")
    assert git_commit() == "abc"


def test_without_git_there_is_no_commit(installed, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert git_commit() is None

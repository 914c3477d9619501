import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rsd_jax.distributed import compiled_programs

COMPILE = """
import logging
import jax
from rsd_jax.distributed import compiled_programs
logging.basicConfig(level=logging.INFO)
compiled_programs.LEAST_SECONDS = 0.0
compiled_programs.keep_compiled_programs()
events = []
jax.monitoring.register_event_listener(lambda event, **rest: events.append(event))
jax.jit(lambda x: x * 3 + 1)(2.0)
print(jax.config.jax_compilation_cache_dir, events.count("/jax/compilation_cache/cache_hits"))
"""


@pytest.fixture
def compile_in_process(tmp_path):
    """A process that compiles: the folder that JAX used, how many programs it found there, and its log."""

    def run(**variables: str) -> tuple[str, int, str]:
        environment = {name: value for name, value in os.environ.items() if name != "JAX_ENABLE_COMPILATION_CACHE"}
        environment |= {"XDG_CACHE_HOME": str(tmp_path / "cache"), **variables}
        process = subprocess.run(
            [sys.executable, "-c", COMPILE],
            cwd=Path(__file__).parents[3],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        folder, hits = process.stdout.split()
        return folder, int(hits), process.stderr

    return run


def test_a_second_process_finds_what_the_first_has_compiled(tmp_path, compile_in_process):
    assert compile_in_process()[1] == 0
    folder, hits, _ = compile_in_process()
    assert hits > 0
    assert Path(folder).parent.parent == tmp_path / "cache" / "rsd_jax"
    assert [path.name for path in Path(folder).parent.iterdir() if not path.name.endswith("-cache")] == []


def test_a_folder_that_cannot_be_made_is_told_and_no_obstacle(tmp_path, compile_in_process):
    (tmp_path / "file").touch()
    folder, _, log = compile_in_process(XDG_CACHE_HOME=str(tmp_path / "file"))
    assert folder == "None"
    assert "compiled programs are not kept" in log


def test_the_variables_of_jax_have_the_last_word(tmp_path, compile_in_process):
    assert compile_in_process(JAX_COMPILATION_CACHE_DIR=str(tmp_path / "own"))[0] == str(tmp_path / "own")
    assert compile_in_process(JAX_ENABLE_COMPILATION_CACHE="false")[0] == "None"
    assert not (tmp_path / "cache").exists()


def test_only_what_is_whole_is_shared(tmp_path):
    own = tmp_path / ".of_me"
    own.mkdir()
    (tmp_path / "old-cache").touch()
    (own / "old-cache").symlink_to(tmp_path / "old-cache")
    for name, age in (("whole-cache", 10), ("young-cache", 0)):
        (own / name).touch()
        os.utime(own / name, (time.time() - age,) * 2)
    compiled_programs._share(own, tmp_path, least_age=5.0)
    assert {path.name for path in tmp_path.iterdir()} == {".of_me", "old-cache", "whole-cache"}
    assert not (tmp_path / "old-cache").is_symlink()


def test_what_nobody_uses_is_removed(tmp_path):
    ages = {"used-cache": 1, "unused-cache": 100, ".of_living": 1, ".of_killed": 10}
    for name, days in ages.items():
        path = tmp_path / name
        path.mkdir() if name.startswith(".") else path.touch()
        os.utime(path, (time.time() - days * 86400,) * 2)
    compiled_programs._forget_unused(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"used-cache", ".of_living"}

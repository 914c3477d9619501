import re
import unicodedata
from pathlib import PurePath, PureWindowsPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval_bridge.simulators.libero.suite_tasks import SUITE_TASKS
from rsd_jax.file_names import LONGEST, file_name
from rsd_jax.run_folder import demo_file

PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*[A-Za-z0-9_+-]|[a-z0-9_]")


def _folded(name):
    """As a file system sees it that tells neither case nor how accents are composed."""
    return unicodedata.normalize("NFC", name).casefold()


def test_names_of_libero_stay_as_they_are():
    names = [*SUITE_TASKS, *(task for tasks in SUITE_TASKS.values() for task in tasks)]
    assert [file_name(name) for name in names] == names


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        ".",
        "..",
        "../../../outside",
        "/etc/passwd",
        "C:\\outside",
        "the mug and/or the bowl",
        "nul\0inside",
        "line\nbreak\x1b[31m",
        ".hidden",
        "trailing.",
        "trailing ",
        "-option",
        "con",
        "nul.txt",
        "x" * 300,
        "ö" * 200,
        "抽屉" * 100,
        "\ud800",
        "e\u0301",
    ],
)
def test_any_other_name_becomes_a_harmless_one(name):
    made = file_name(name)
    assert PLAIN.fullmatch(made)
    assert len(made) <= LONGEST
    assert made == file_name(name)
    assert PurePath(made).name == PureWindowsPath(made).name == made
    assert file_name(made) != made  # so that nothing called like it gets the same


@pytest.mark.parametrize(
    "names",
    [
        ("open_the_drawer", "Open_the_Drawer", "OPEN_THE_DRAWER"),
        ("KITCHEN_SCENE3_open", "kitchen_scene3_open", "Kitchen_SCENE3_open"),
        ("a/b", "a_b", "a b", "a\\b", "a:b"),
        ("x" * 300, "x" * 301, "x" * 128),
        ("\u00e9", "e\u0301", "e"),
        ("", " ", "unnamed", "."),
    ],
)
def test_names_that_a_file_system_may_take_for_one_are_kept_apart(names):
    assert len({_folded(file_name(name)) for name in names}) == len(names)
    again = [file_name(file_name(name)) for name in names]
    assert len({_folded(name) for name in again}) == len(names)


@given(st.lists(st.text(st.characters(), max_size=12) | st.from_regex(r"[a-cA-C_./ -]{0,4}"), max_size=6, unique=True))
@settings(max_examples=30, deadline=None)
def test_no_two_names_become_one(names):
    assert len({_folded(file_name(name)) for name in names}) == len(names)
    assert all(PLAIN.fullmatch(file_name(name)) for name in names)


def test_the_demonstrations_of_a_task_lie_in_the_folder_whatever_it_is_called(tmp_path):
    path = demo_file(tmp_path, "../outside", "/etc/passwd")
    assert path.parent.parent == tmp_path
    assert demo_file(tmp_path, "libero_goal", "open_the_drawer") == tmp_path / "libero_goal/open_the_drawer_demo.hdf5"

import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.checkpoints.array_files import begin_writing, finish_writing, read_leaves, read_tree, wait_until_still

TREE = {"layer": {"kernel": jnp.arange(6.0).reshape(2, 3), "bias": jnp.ones(3, jnp.bfloat16)}, "empty": {}}


@pytest.fixture
def written(tmp_path):
    """Equal arrays in two folders."""
    folders = [tmp_path / name / "arrays" for name in ("first", "second")]
    for folder in folders:
        folder.parent.mkdir()
        finish_writing(begin_writing(folder, {"variables": TREE}), folder)
    return folders


def test_arrays_come_back_in_their_types(written):
    tree = read_tree(written[0], "variables")
    np.testing.assert_array_equal(tree["layer"]["kernel"], [[0, 1, 2], [3, 4, 5]])
    assert tree["layer"]["bias"].dtype == jnp.bfloat16
    assert tree["empty"] == {}


def test_what_is_written_does_not_depend_on_where(written, tmp_path):
    """Times and names of data files differ; what describes the arrays does not, and no file names its folder."""
    for name in ("commit_success.txt", "variables/_METADATA", "variables/array_metadatas/process_0"):
        first, second = ((folder / name).read_bytes() for folder in written)
        assert first == second, name
    files = [path for folder in written for path in folder.rglob("*") if path.is_file()]
    assert [path for path in files if str(tmp_path).encode() in path.read_bytes()] == []


def test_leaves_come_one_by_one_in_the_order_of_the_tree(written):
    leaves = list(read_leaves(written[0], "variables", ("layer",)))
    assert [jax.tree_util.keystr(path) for path, _ in leaves] == ["['bias']", "['kernel']"]
    assert leaves[0][1].tobytes() == np.ones(3, jnp.bfloat16).tobytes()
    np.testing.assert_array_equal(leaves[1][1], [[0, 1, 2], [3, 4, 5]])


def test_what_is_still_written_after_a_failure_is_waited_for(tmp_path):
    late = [tmp_path / f"late_{index}" / "file" for index in range(4)]

    def write_late():
        for path in late:
            time.sleep(0.2)
            path.parent.mkdir(parents=True)
            path.touch()

    threading.Thread(target=write_late).start()
    wait_until_still(tmp_path)
    assert all(path.exists() for path in late)

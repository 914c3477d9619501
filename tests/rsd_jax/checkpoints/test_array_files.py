import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.checkpoints.array_files import (
    begin_writing,
    finish_writing,
    read_leaves,
    read_tree,
    stream_leaves,
    wait_until_still,
    write_piecewise,
)

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
    leaves = list(stream_leaves(written[0], "variables", ("layer",)))
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


def pieces():
    yield {"variables": {"layer": {"kernel": np.arange(6.0, dtype=np.float32).reshape(2, 3)}}}
    yield {"variables": {"layer": {"bias": jnp.ones(3, jnp.bfloat16)}, "empty": {}}}
    yield {"others": {"a.b": np.full(2, 7, np.int32)}}


def test_what_is_written_piece_by_piece_is_read_like_what_is_written_at_once(tmp_path):
    write_piecewise(tmp_path / "arrays", pieces())
    tree = read_tree(tmp_path / "arrays", "variables")
    np.testing.assert_array_equal(tree["layer"]["kernel"], [[0, 1, 2], [3, 4, 5]])
    assert tree["layer"]["bias"].dtype == jnp.bfloat16
    assert tree["empty"] == {}
    np.testing.assert_array_equal(read_tree(tmp_path / "arrays", "others")["a.b"], [7, 7])
    everywhere = jax.tree.map(lambda leaf: jax.sharding.SingleDeviceSharding(jax.devices()[0]), tree)
    np.testing.assert_array_equal(read_tree(tmp_path / "arrays", "variables", everywhere)["layer"]["bias"], [1, 1, 1])
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in files if str(tmp_path).encode() in path.read_bytes()] == []


def test_some_leaves_are_read_without_the_others(written, tmp_path):
    write_piecewise(tmp_path / "arrays", pieces())
    for folder in (written[0], tmp_path / "arrays"):
        read = read_leaves(folder, "variables", [("layer", "kernel")])
        assert list(read) == [("layer", "kernel")]
        np.testing.assert_array_equal(read["layer", "kernel"], [[0, 1, 2], [3, 4, 5]])
    with pytest.raises(KeyError, match="shift"):
        read_leaves(written[0], "variables", [("layer", "shift")])

"""What files tell of the layouts of their demonstrations."""

import h5py
import pytest

from rsd_jax.demos.libero_hdf5 import (
    DemoFileError,
    EpisodeDescription,
    Hdf5Demos,
    SceneDescription,
    concatenate,
    read_origins,
    write_episode,
)
from rsd_jax.demos.libero_hdf5.layout_order import layouts_in_order
from tests.rsd_jax.demos.demo_examples import WITHOUT_FRAMES, example_demo


def _write(path, seed, layout=None):
    write_episode(path, example_demo(seed, 3, **WITHOUT_FRAMES), SceneDescription(), EpisodeDescription())
    if layout is not None:
        with h5py.File(path, "a") as file:
            file["data/demo_0"].attrs["layout"] = layout
    return path


def test_layouts_stand_in_the_order_of_the_demonstrations(tmp_path):
    layouts = ['{"seed": 3}', None, "{}", *["{}"] * 8, '{"seed": 4}']
    parts = [_write(tmp_path / f"{index}.part", index, layout) for index, layout in enumerate(layouts)]
    path = tmp_path / "all_demo.hdf5"
    concatenate(parts, path)
    assert layouts_in_order(path) == [{"seed": 3}, *[{}] * 10, {"seed": 4}]  # demo_10 and demo_11 behind demo_9
    assert [demo.seed for demo in Hdf5Demos.open(path)] == list(range(12))
    with h5py.File(path, "a") as file:
        del file["data/demo_1"].attrs["seed"]  # as in demonstrations that others have made
    origins = read_origins(path)
    assert [origin.is_in_layout for origin in origins] == [True, *[False] * 10, True]
    assert [origin.seed for origin in origins] == [0, None, *range(2, 12)]


def test_a_layout_that_is_no_object_is_damage(tmp_path):
    path = _write(tmp_path / "one_demo.hdf5", 0, '"random"')
    with pytest.raises(DemoFileError, match=r"layout.* expected a JSON object"):
        layouts_in_order(path)

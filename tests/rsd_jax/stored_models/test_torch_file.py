"""Files are made here by hand, as `torch.save` lays them out; tests/parity reads files of PyTorch itself."""

import argparse
import io
import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from rsd_jax.stored_models.torch_file import TorchFileError, UnknownObject, read_torch_file


class Named:
    """Pickled as a name alone, as a class or function of a module that need not exist."""

    def __init__(self, module, name):
        self.module, self.name = module, name

    def __call__(self):
        raise NotImplementedError  # pickle asks what it calls to be callable


class Tensor:
    def __init__(self, key, storage, numel, offset, size, stride, rebuild="_rebuild_tensor_v2"):
        self.pid = ("storage", Named("torch", storage), key, "cuda:0", numel)
        self.layout, self.rebuild = (offset, size, stride), rebuild

    def __reduce__(self):
        return Named("torch._utils", self.rebuild), (StorageReference(self.pid), *self.layout, False, OrderedDict())


class StorageReference:
    def __init__(self, pid):
        self.pid = pid


class Writer(pickle._Pickler):
    """The pickler that is written in Python, since it lets names be written without a check."""

    def persistent_id(self, obj):
        return obj.pid if isinstance(obj, StorageReference) else None

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, Named):
            self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        else:
            super().save(obj, save_persistent_id)


def write_file(path, saved, storages=None, **files):
    stream = io.BytesIO()
    Writer(stream, protocol=2).dump(saved)
    return write_archive(path, stream.getvalue(), storages, **files)


def write_archive(path, pickled, storages=None, **files):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", pickled)
        for key, values in (storages or {}).items():
            archive.writestr(f"model/data/{key}", values.tobytes())
        for name, content in files.items():
            archive.writestr(f"model/{name}", content)
    return path


def test_tensors_are_arrays_of_their_storage_offset_and_strides(tmp_path):
    storage = np.arange(12, dtype=np.float32)
    saved = {
        "whole": Tensor("0", "FloatStorage", 12, 0, (3, 4), (4, 1)),
        "transposed": Tensor("0", "FloatStorage", 12, 0, (4, 3), (1, 4)),
        "row": Tensor("0", "FloatStorage", 12, 8, (4,), (1,)),
        "every other": Tensor("0", "FloatStorage", 12, 1, (5,), (2,)),
        "expanded": Tensor("0", "FloatStorage", 12, 3, (2, 2), (0, 0)),
        "scalar": Tensor("0", "FloatStorage", 12, 5, (), ()),
        "empty": Tensor("0", "FloatStorage", 12, 0, (0, 4), (4, 1)),
    }
    read = read_torch_file(write_file(tmp_path / "m.pt", saved, {"0": storage}))
    np.testing.assert_array_equal(read["whole"], storage.reshape(3, 4))
    np.testing.assert_array_equal(read["transposed"], storage.reshape(3, 4).T)
    np.testing.assert_array_equal(read["row"], [8, 9, 10, 11])
    np.testing.assert_array_equal(read["every other"], [1, 3, 5, 7, 9])
    np.testing.assert_array_equal(read["expanded"], [[3, 3], [3, 3]])
    assert read["scalar"].shape == ()
    assert read["scalar"] == 5
    assert read["empty"].shape == (0, 4)
    assert all(array.flags.writeable and array.flags.c_contiguous for array in read.values())


@pytest.mark.parametrize(
    ("storage", "dtype"),
    [
        ("DoubleStorage", np.float64),
        ("HalfStorage", np.float16),
        ("BFloat16Storage", ml_dtypes.bfloat16),
        ("LongStorage", np.int64),
        ("CharStorage", np.int8),
        ("BoolStorage", np.bool_),
    ],
)
def test_storages_have_the_type_that_their_class_names(tmp_path, storage, dtype):
    values = np.asarray([0, 1, 1, 0]).astype(dtype)
    path = write_file(tmp_path / "m.pt", [Tensor("k", storage, 4, 0, (4,), (1,))], {"k": values})
    (read,) = read_torch_file(path)
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, values)


def test_bytes_in_the_other_order_are_swapped(tmp_path):
    big = np.asarray([1.5, -2.0], ">f4")
    path = write_file(tmp_path / "m.pt", [Tensor("0", "FloatStorage", 2, 0, (2,), (1,))], {"0": big}, byteorder="big")
    np.testing.assert_array_equal(read_torch_file(path)[0], [1.5, -2.0])


def test_plain_values_and_unknown_classes(tmp_path):
    saved = {
        "epoch": 3,
        "config": {"use_layernorm": True, "name": "ä"},
        "args": argparse.Namespace(batch_size=64),
        "path": Path("models"),
        "metric": np.float64(0.5),
        "state": OrderedDict(a=(1, None, [2.5])),
    }
    read = read_torch_file(write_file(tmp_path / "m.pt", saved))
    assert read["epoch"] == 3
    assert read["config"] == {"use_layernorm": True, "name": "ä"}
    assert read["state"] == {"a": (1, None, [2.5])}
    assert isinstance(read["args"], UnknownObject)
    assert (read["args"].global_name, read["args"].state) == ("argparse.Namespace", {"batch_size": 64})
    assert read["path"].arguments == ("models",)
    assert isinstance(read["metric"], UnknownObject)


class RunsACommand:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def test_no_function_that_a_pickle_names_is_called(tmp_path):
    marker = tmp_path / "marker"
    stream = io.BytesIO()
    pickle.dump({"weights": RunsACommand(marker)}, stream, protocol=2)
    read = read_torch_file(write_archive(tmp_path / "m.pt", stream.getvalue()))
    assert not marker.exists()
    assert read["weights"].global_name == "posix.system"
    assert read["weights"].arguments == (f"touch {marker}",)
    pickle.loads(stream.getvalue())  # what any other reader would do
    assert marker.exists()


@pytest.mark.parametrize("name", ["builtins\neval", "builtins\ngetattr", "builtins\n__import__", "torch\nload"])
def test_nothing_of_the_interpreter_is_found(tmp_path, name):
    pickled = b"c" + name.encode() + b"\n(S'1 + 1'\ntR."  # the protocol 0 way to call a function with one string
    read = read_torch_file(write_archive(tmp_path / "m.pt", pickled))
    assert isinstance(read, UnknownObject)
    assert read.arguments == ("1 + 1",)


def test_what_one_file_does_to_its_names_does_not_reach_the_next(tmp_path):
    # BUILD with a pair of None and a dict sets attributes, here the defaults of the function that rebuilds tensors.
    poisoned = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nN}X\x0c\x00\x00\x00__defaults__Ns\x86b."
    read_torch_file(write_archive(tmp_path / "poisoned.pt", poisoned))
    path = write_file(tmp_path / "m.pt", [Tensor("0", "FloatStorage", 1, 0, (1,), (1,))], {"0": np.ones(1, "f4")})
    np.testing.assert_array_equal(read_torch_file(path)[0], [1.0])


def damaged_files(folder):
    tensor = Tensor("0", "FloatStorage", 4, 0, (4,), (1,))
    storage = {"0": np.zeros(4, np.float32)}
    whole = write_file(folder / "whole.pt", tensor, storage).read_bytes()
    (folder / "truncated.pt").write_bytes(whole[: len(whole) // 2])
    flipped = bytearray(whole)
    flipped[whole.index(b"FloatStorage")] ^= 1
    (folder / "flipped.pt").write_bytes(flipped)
    (folder / "legacy.pt").write_bytes(pickle.dumps(0x1950A86A20F9469CFC6C))
    (folder / "empty.pt").write_bytes(b"")
    write_archive(folder / "cut_pickle.pt", b"\x80\x02}q")
    write_file(folder / "no_storage.pt", tensor)
    write_file(folder / "short_storage.pt", tensor, {"0": np.zeros(3, np.float32)})
    write_file(folder / "beyond.pt", Tensor("0", "FloatStorage", 4, 1, (4,), (1,)), storage)
    write_file(folder / "negative.pt", Tensor("0", "FloatStorage", 4, 3, (4,), (-1,)), storage)
    write_file(folder / "other_class.pt", Tensor("0", "QInt8Storage", 4, 0, (4,), (1,)), storage)
    with zipfile.ZipFile(folder / "no_pickle.pt", "w") as archive:
        archive.writestr("model/version", "3")
    return [path for path in sorted(folder.iterdir()) if path.name != "whole.pt"]


def test_damaged_files_are_named(tmp_path):
    paths = damaged_files(tmp_path)
    assert len(paths) == 11
    for path in paths:
        with pytest.raises(TorchFileError) as caught:
            read_torch_file(path)
        assert isinstance(caught.value, ValueError)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("place", [50, 199, 1702])
def test_a_file_that_lost_bytes_before_its_index_is_named(tmp_path, place):
    content = (Path(__file__).parents[2] / "parity/golden/naive.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(content[:place] + content[place + 60 :])
    with pytest.raises(TorchFileError, match=r"cut\.pt"):
        read_torch_file(tmp_path / "cut.pt")


def test_a_file_of_before_1_6_gets_the_command_that_converts_it(tmp_path):
    damaged_files(tmp_path)
    with pytest.raises(TorchFileError, match=r'torch\.save\(torch\.load\("legacy\.pt"'):
        read_torch_file(tmp_path / "legacy.pt")


def test_a_missing_file_is_no_damage(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_torch_file(tmp_path / "absent.pt")

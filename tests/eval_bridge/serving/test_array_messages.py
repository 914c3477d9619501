import io
import random

import msgpack
import numpy as np
import pytest
from PIL import Image

from eval_bridge.serving.array_messages import (
    EncodedImage,
    MessageError,
    encode_png,
    pack_harness,
    pack_openpi,
    unpack_harness,
    unpack_openpi,
)

IMAGE = np.arange(12 * 12 * 3, dtype=np.uint8).reshape(12, 12, 3)


@pytest.mark.parametrize(
    ("content", "packed"),
    [
        # As openpi-client 0.1.2 writes them.
        (
            np.array([[1, 2]], np.int16),
            "84c40b5f5f6e6461727261795f5fc3c40464617461c40401000200c4056474797065a33c6932c4057368617065920102",
        ),
        (np.float32(1.5), "83c40d5f5f6e7067656e657269635f5fc3c40464617461cb3ff8000000000000c4056474797065a33c6634"),
    ],
)
def test_openpis_wire_format_to_the_byte(content, packed):
    assert pack_openpi(content) == bytes.fromhex(packed)
    again = unpack_openpi(bytes.fromhex(packed))
    assert again.dtype == content.dtype
    np.testing.assert_array_equal(again, content)


@pytest.mark.parametrize("pack_and_unpack", [(pack_openpi, unpack_openpi), (pack_harness, unpack_harness)])
@pytest.mark.parametrize("array", [np.zeros((0, 3)), np.array(2.5), np.array([True, False]), np.array(["a", "bc"])])
def test_arrays_come_back_as_they_were(array, pack_and_unpack):
    pack, unpack = pack_and_unpack
    again = unpack(pack({"nested": [array]}))["nested"][0]
    assert (again.dtype, again.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(again, array)


def test_images_of_the_harness_are_png_without_loss_and_decoded_when_asked():
    again = unpack_harness(pack_harness({"image": IMAGE, "again": encode_png(IMAGE)}))
    assert isinstance(again["image"], EncodedImage)
    assert again["image"].data.startswith(b"\x89PNG")
    for image in again.values():
        np.testing.assert_array_equal(image.decode(), IMAGE)


@pytest.mark.parametrize("pack", [pack_openpi, pack_harness])
@pytest.mark.parametrize(
    "array", [np.array([object()]), np.zeros(2, "f4,i4"), np.zeros(2, np.complex64)], ids=["objects", "records", "c"]
)
def test_what_could_hide_a_pickle_is_not_sent(pack, array):
    with pytest.raises(MessageError, match="only booleans, real numbers and texts"):
        pack({"array": array})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({b"dtype": "O"}, "dtype 'O'; only"),
        ({b"dtype": "f4,f4"}, "only booleans"),
        ({b"dtype": "<f3"}, "only booleans"),
        ({b"dtype": 7}, "dtype 7"),
        ({b"shape": [-1, -4]}, "whole numbers from 0"),
        ({b"shape": [3]}, "cannot lie in 16 bytes"),
        ({b"shape": [2**40, 2**40]}, "cannot lie in 16 bytes"),
        ({b"shape": None}, "data .bytes. and shape"),
        ({b"shape": [True, 4]}, "whole numbers from 0"),
        ({b"shape": [0, 2**62], b"data": b""}, "shape .*which NumPy does not take"),
        ({b"shape": [1] * 33, b"data": bytes(4)}, "33 sides; at most 32"),
        ({b"shape": [2**40], b"dtype": "S0", b"data": b""}, "dtype 'S0'; only"),
        ({b"data": "text"}, "data .bytes. and shape"),
    ],
)
def test_arrays_that_lie_about_themselves_are_named(changes, said):
    array = {b"__ndarray__": True, b"data": bytes(16), b"dtype": "<f4", b"shape": [4]}
    with pytest.raises(MessageError, match=said):
        unpack_openpi(pack_openpi({"array": array | changes}))
    assert unpack_openpi(pack_openpi({"array": array}))["array"].shape == (4,)


@pytest.mark.parametrize("container", [{}, []])
def test_a_message_of_ever_so_many_parts_is_given_up_early(container):
    for unpack in (unpack_openpi, unpack_harness):
        assert len(unpack(msgpack.packb([container] * 4095))) == 4095
        with pytest.raises(MessageError, match="more than 4096 maps and lists"):
            unpack(msgpack.packb([container] * 4096 + ["and more"]))


def encoded(mode, size=(8, 8), kind="PNG"):
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, format=kind)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "cannot be decoded"),
        (encoded("RGB")[:-30], "cannot be decoded"),
        (encoded("RGB", kind="BMP"), "cannot be decoded"),
        (encoded("L"), "mode L; send RGB"),
        (encoded("L", (9000, 9000)), "at most 4096"),
    ],
    ids=["empty", "cut off", "BMP", "grey", "bomb"],
)
def test_images_that_are_none_are_named(data, said):
    with pytest.raises(MessageError, match=said):
        EncodedImage(data).decode()


def test_damaged_bytes_are_a_message_or_named():
    whole = [pack_openpi({"a": np.zeros(3), "b": [1, "x"]}), pack_harness({"i": IMAGE, "s": np.zeros(3)})]
    rng, outcomes = random.Random(0), []
    for _ in range(1000):
        damaged = bytearray(rng.choice(whole))
        for _ in range(3):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        for unpack in (unpack_openpi, unpack_harness):
            try:
                content = unpack(
                    bytes(damaged[: rng.randrange(len(damaged))]) if rng.random() < 0.3 else bytes(damaged)
                )
                if isinstance(content, dict) and isinstance(content.get("i"), EncodedImage):
                    content["i"].decode()
                outcomes.append("read")
            except MessageError:
                outcomes.append("named")
    assert min(outcomes.count("read"), outcomes.count("named")) > 100


@pytest.mark.parametrize("kind", ["|S1", "<U1"])
def test_a_number_does_not_become_a_text_of_so_many_zeros(kind):
    message = msgpack.packb({b"__npgeneric__": True, b"dtype": kind, b"data": 10**8})
    with pytest.raises(MessageError, match="cannot be"):
        unpack_openpi(message)

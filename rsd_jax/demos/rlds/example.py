"""``tf.train.Example``, the message that a record holds, without TensorFlow.

The message's definition is built here and kept in a pool of its own: TensorFlow, imported into the same process,
registers the same names in the default one.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from rsd_jax.demos.demo import DemoFieldError

Values = list[bytes] | np.ndarray
"""Values of a feature: byte strings, or ``float32 [N]``, or ``int64 [N]``."""

_Field = descriptor_pb2.FieldDescriptorProto
_NUMBERS = {"float_list": np.float32, "int64_list": np.int64}


def parse_example(record: bytes) -> Mapping[str, Values]:
    """Feature -> its values, of an example.

    Raises:
        DemoFieldError: the record is no example.
    """
    try:
        message = _EXAMPLE.FromString(record)
    except DecodeError as error:
        raise DemoFieldError("record", f"is no tf.train.Example ({error})") from error
    return {name: _values(feature) for name, feature in message.features.feature.items()}


def _values(feature: Any) -> Values:
    kind = feature.WhichOneof("kind")
    if kind in _NUMBERS:
        return np.array(getattr(feature, kind).value, _NUMBERS[kind])
    return list(feature.bytes_list.value)


def _build_example_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="example.proto", package="tensorflow", syntax="proto3")
    for name, value_type in (
        ("BytesList", _Field.TYPE_BYTES),
        ("FloatList", _Field.TYPE_FLOAT),
        ("Int64List", _Field.TYPE_INT64),
    ):
        values = file.message_type.add(name=name)
        values.field.add(name="value", number=1, type=value_type, label=_Field.LABEL_REPEATED)
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, (field, kind) in enumerate(
        (("bytes_list", "BytesList"), ("float_list", "FloatList"), ("int64_list", "Int64List")), start=1
    ):
        _add_message(feature, field, number, kind, oneof_index=0)
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=_Field.TYPE_STRING, label=_Field.LABEL_OPTIONAL)
    _add_message(entry, "value", 2, "Feature")
    _add_message(features, "feature", 1, "Features.FeatureEntry", label=_Field.LABEL_REPEATED)
    _add_message(file.message_type.add(name="Example"), "features", 1, "Features")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tensorflow.Example"))


def _add_message(
    message: Any, name: str, number: int, kind: str, label: Any = _Field.LABEL_OPTIONAL, **options: Any
) -> None:
    message.field.add(
        name=name, number=number, type=_Field.TYPE_MESSAGE, type_name=f".tensorflow.{kind}", label=label, **options
    )


_EXAMPLE = _build_example_class()

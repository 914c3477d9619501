"""Dataclasses by name, so that a configuration or a file can say which one it means."""

import dataclasses
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NamedTuple, TypeVar

_Dataclass = TypeVar("_Dataclass")


class Registry(NamedTuple):
    """Names of dataclasses that can stand for each other.

    Attributes:
        what: what they are, for messages.
        key: the field under which `describe` gives the name.
        kinds: the dataclasses by name.
    """

    what: str
    key: str
    kinds: Mapping[str, type]

    def describe(self, value: Any) -> dict[str, Any]:
        """Name and fields of `value`, as JSON values."""
        name = next(name for name, kind in self.kinds.items() if type(value) is kind)
        fields = {field: list(v) if isinstance(v, tuple) else v for field, v in asdict(value).items()}
        return {self.key: name, **fields}

    def make(self, name: str, fields: Mapping[str, Any]) -> Any:
        """Inverse of `describe`.

        Raises:
            ValueError: nothing has this name, or it does not have these fields.
        """
        if name not in self.kinds:
            raise ValueError(f"{self.what} {self.key} is {name!r}; it must be one of {', '.join(self.kinds)}")
        values = {field: tuple(value) if isinstance(value, list) else value for field, value in fields.items()}
        try:
            return self.kinds[name](**values)
        except TypeError as error:
            raise ValueError(
                f"{self.what} of {self.key} {name!r} cannot be made of {dict(fields)}: {error}"
            ) from error


def to_dataclass(dataclass: type[_Dataclass], values: Mapping[str, Any], **more: Any) -> _Dataclass:
    """Builds a frozen dataclass from a section of a configuration or any other mapping.

    Args:
        dataclass: what to build; sections of `values` become its dataclass fields of the same name.
        values: a section whose keys are fields of `dataclass`.
        more: fields that stand elsewhere in the configuration.

    Raises:
        ValueError: a key that is no field, or a field without a value.
    """
    types = {field.name: field.type for field in dataclasses.fields(dataclass)}  # type: ignore[arg-type]
    given = {
        key: to_dataclass(types[key], value) if dataclasses.is_dataclass(types.get(key)) else value  # type: ignore[arg-type]
        for key, value in values.items()
    } | more
    if unknown := sorted(set(given) - set(types)):
        raise ValueError(f"{unknown} are no fields of {dataclass.__name__}, which has {', '.join(types)}")
    required = {
        field.name
        for field in dataclasses.fields(dataclass)  # type: ignore[arg-type]
        if field.default is field.default_factory is dataclasses.MISSING
    }
    if missing := sorted(required - set(given)):
        raise ValueError(f"{dataclass.__name__} needs values for {missing}")
    return dataclass(**{key: tuple(value) if isinstance(value, list) else value for key, value in given.items()})

"""Dataclasses by name, so that a configuration or a file can say which one it means."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NamedTuple


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

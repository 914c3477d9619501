"""Values that others wrote into descriptions and tables, checked where they are read."""

import math
from collections.abc import Mapping
from typing import Any

from rsd_jax.demos.demo import DemoFieldError, check_text


def whole_number(values: Mapping[str, Any], name: str, least: int = 0) -> int:
    """A whole number, also one written as a text or as 6.0: protobuf's JSON and pandas' tables do so.

    Raises:
        DemoFieldError: it is missing, no whole number, or less than `least`.
    """
    value = found = stored_value(values, name)
    if (isinstance(value, str) and value.isdecimal()) or (isinstance(value, float) and value.is_integer()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise DemoFieldError(name, f"is {found!r:.80}; expected a whole number of at least {least}")
    return value


def finite_number(values: Mapping[str, Any], name: str) -> float:
    """A number. Raises `DemoFieldError` if it is missing, no number, infinite or NaN."""
    value = stored_value(values, name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise DemoFieldError(name, f"is {value!r:.80}; expected a number")
    return float(value)


def text(values: Mapping[str, Any], name: str) -> str:
    """A text that is not empty. Raises `DemoFieldError` if it is missing, empty or no text."""
    return words(name, stored_value(values, name))


def words(name: str, value: Any) -> str:
    """The instruction, or another text, that `value` must be: a text of more than spaces.

    Raises:
        DemoFieldError: it is not.
    """
    if not isinstance(value, str):
        raise DemoFieldError(name, f"is {value!r:.80}; expected a text that is not empty")
    return check_text(name, value)


def mapping(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object with names. Raises `DemoFieldError` if it is missing or none."""
    value = stored_value(values, name)
    if not isinstance(value, dict):
        raise DemoFieldError(name, f"is {value!r:.80}; expected an object with names")
    return value


def stored_value(values: Mapping[str, Any], name: str) -> Any:
    """Whatever stands under a name. Raises `DemoFieldError` if nothing does."""
    if name not in values:
        raise DemoFieldError(name, f"is missing; found {sorted(values)}")
    return values[name]

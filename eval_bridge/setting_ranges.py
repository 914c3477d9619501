"""Ranges that many settings have; what lies outside is named as its configuration calls it."""

from collections.abc import Iterable


def require_shares(settings: object, names: Iterable[str], prefix: str = "") -> None:
    """Accepts probabilities and other shares.

    Args:
        settings: has them.
        names: of its attributes.
        prefix: of the names in the configuration, such as ``"layout."``.

    Raises:
        ValueError: one lies outside 0 to 1.
    """
    for name in names:
        if not 0.0 <= getattr(settings, name) <= 1.0:
            raise ValueError(f"{prefix}{name} is {getattr(settings, name)}; it must lie in [0, 1]")


def require_not_negative(settings: object, names: Iterable[str], prefix: str = "") -> None:
    """Accepts sizes; arguments are those of `require_shares`.

    Raises:
        ValueError: one is below 0.
    """
    for name in names:
        if getattr(settings, name) < 0:
            raise ValueError(f"{prefix}{name} is {getattr(settings, name)}; it must not be negative")

"""The suites of LIBERO, and the variants that the configuration of every trained stage has."""

SUITES = ("libero_spatial", "libero_object", "libero_goal", "libero_10")
"""Ten tasks each; configs/libero_SUITE.py makes a policy of its own for each of them."""

ALL = "libero_40"
"""All of them by one policy: configs/libero_40.py."""

TRAINED = ("", *SUITES, ALL, "quickstart", "tiny")
"""Variants of the configuration of a stage that is trained."""

LAYOUTS = ("layouts", *(f"layouts_{suite}" for suite in SUITES[1:]))
"""Variants of collection whose scenes are laid out at random, libero_spatial's first."""


def tiny(suite: str) -> str:
    """What collection and evaluation call a few episodes of one task of `suite`, to see that everything works."""
    return f"tiny_{suite}"

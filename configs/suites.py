"""The suites of LIBERO, and the variants that the configuration of every trained stage has."""

SUITES = ("libero_spatial", "libero_object", "libero_goal", "libero_10")
"""Ten tasks each; configs/libero_SUITE.py makes a policy of its own for each of them."""

ALL = "libero_40"
"""All of them by one policy: configs/libero_40.py."""

TRAINED = ("", *SUITES, ALL, "quickstart", "tiny")
"""Variants of the configuration of a stage that is trained."""

LAYOUTS = {"layouts": SUITES[0], **{f"layouts_{suite}": suite for suite in SUITES}}
"""Variants of collection whose scenes are laid out at random, and the suite of each."""


def tiny(suite: str) -> str:
    """What collection and evaluation call a few episodes of one task of `suite`, to see that everything works."""
    return f"tiny_{suite}"

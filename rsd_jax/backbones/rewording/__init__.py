"""Rewordings of instructions: the same task in other words, to train on and to judge by.

A policy that has seen a task in one wording only may follow single words of it. `rewordings` gives it many, made from
the instruction alone: phrases are replaced, sentences rebuilt, polite words put around them. Two parts that share no
replacement and no rebuilt sentence tell training from judging.
"""

from rsd_jax.backbones.rewording.lexicon import PARTS, Part
from rsd_jax.backbones.rewording.selection import rewordings

__all__ = ["PARTS", "Part", "rewordings"]

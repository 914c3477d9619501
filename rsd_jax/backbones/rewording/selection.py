"""Many rewordings of one instruction, as different as possible."""

import itertools
import random
import zlib

import numpy as np

from rsd_jax.backbones.instruction import INSTRUCTION_LENGTH, encode_instruction, words_of
from rsd_jax.backbones.rewording.lexicon import PARTS, Part
from rsd_jax.backbones.rewording.parsing import Action, parse
from rsd_jax.backbones.rewording.rendering import Renderer
from rsd_jax.backbones.rewording.withheld import WITHHELD

NUM_SELECTED = 128
"""So many rewordings are selected for being different; by then the lexicon is used up, and the others are random."""

CANDIDATES_PER_SELECTED = 3
"""Rewordings drawn for each of these."""

ATTEMPTS_PER_CANDIDATE = 8
"""Rewordings drawn for a new one, before the wordings count as exhausted."""


def rewordings(instruction: str, count: int, seed: int, part: Part = "training") -> list[str]:
    """Rewords an instruction without changing its meaning.

    Things keep their place and their destination; only names, verbs and sentences change. The result is the same on
    every machine for the same arguments.

    Args:
        instruction: what to do, in English. Unknown words stay as they are.
        count: number of results.
        seed: of the choice.
        part: which replacements are used; what isn't replaced stays as in the instruction.

    Returns:
        `count` instructions that `encode_instruction` accepts: first `instruction` itself, then lower-case rewordings,
        the first of them each as different as possible from those before it, and none of them in `WITHHELD`. If the
        lexicon does not give as many, the rewordings are repeated; if it gives none, the instruction is.

    Raises:
        ValueError: `instruction` has no word or too many, `count` is below 1, or there is no such part.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    if part not in PARTS:
        raise ValueError(f"part must be one of {', '.join(PARTS)}, got {part!r}")
    encode_instruction(instruction)
    words = " ".join(words_of(instruction))
    # Not `hash`: it differs between processes.
    rng = random.Random(zlib.crc32(f"{seed}/{part}/{words}".encode()))
    num_candidates = max(count - 1, CANDIDATES_PER_SELECTED * min(count - 1, NUM_SELECTED))
    pool = [words, *_draw(parse(words), words, num_candidates, part, rng)]
    order = _most_different(pool, min(count, NUM_SELECTED, len(pool)))
    ordered = [instruction, *(pool[index] for index in order[1:])]
    chosen = set(order)
    ordered += [text for index, text in enumerate(pool) if index not in chosen]
    first, *reworded = ordered[:count]
    if not reworded:
        return [first] * count
    return [first, *(reworded[index % len(reworded)] for index in range(count - 1))]


def _draw(actions: tuple[Action, ...], words: str, count: int, part: Part, rng: random.Random) -> list[str]:
    """At most `count` different rewordings, none of them `words`, none withheld."""
    found: dict[str, None] = {}
    for _ in range(ATTEMPTS_PER_CANDIDATE * count):
        if len(found) == count:
            break
        text = Renderer(part, rng).sentence(actions)
        if text != words and text not in WITHHELD and len(text.split()) <= INSTRUCTION_LENGTH:
            found[text] = None
    return list(found)


def _most_different(texts: list[str], count: int) -> list[int]:
    """Farthest-point selection from the first on, by the share of common words and pairs of words."""
    features = [set(words) | set(itertools.pairwise(words)) for words in (text.split() for text in texts)]
    columns = {feature: index for index, feature in enumerate(dict.fromkeys(f for found in features for f in found))}
    table = np.zeros((len(texts), len(columns)), np.float32)
    for row, found in enumerate(features):
        table[row, [columns[feature] for feature in found]] = 1
    sizes = table.sum(axis=1)
    nearest = np.zeros(len(texts))
    order = [0]
    while len(order) < count:
        common = table @ table[order[-1]]  # sums of ones: exact in any order, so the choice is the same everywhere
        nearest = np.maximum(nearest, common / (sizes + sizes[order[-1]] - common))
        nearest[order[-1]] = np.inf
        order.append(int(nearest.argmin()))
    return order

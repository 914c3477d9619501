"""Instructions as word ids, without a vocabulary file: words are hashed."""

import re
import unicodedata
import zlib

import numpy as np
from numpy.typing import NDArray

INSTRUCTION_LENGTH = 32
"""Words of an instruction; the longest of LIBERO has 19."""

VOCABULARY_SIZE = 4096
"""Number of word ids, padding included. LIBERO's suites use about 150 words."""

PADDING = 0

# Quotation marks, a modifier letter, prime and acute accent that are typed for an apostrophe.
_APOSTROPHES = str.maketrans(dict.fromkeys("\u2018\u2019\u02bc\u2032\u00b4", "'"))
# Soft hyphen and spaces without width.
_INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff]")


def words_of(instruction: str) -> list[str]:
    """The lower-case words of `instruction`.

    Unicode's spellings of a letter or an apostrophe count as one (NFKC); hyphens and apostrophes separate words.
    """
    text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", instruction.translate(_APOSTROPHES)))
    return re.findall(r"\w+", text.lower())


def encode_instruction(instruction: str) -> NDArray[np.int32]:
    """Hashes the words of `instruction`; case, punctuation and typography make no difference.

    CRC-32 gives the same id on every machine and in every process, unlike Python's `hash`.

    Returns:
        ``int32 [INSTRUCTION_LENGTH]``, ids from 1 to ``VOCABULARY_SIZE - 1``, then padding.

    Raises:
        ValueError: the instruction has no word, or more than `INSTRUCTION_LENGTH`.
    """
    words = words_of(instruction)
    if not 1 <= len(words) <= INSTRUCTION_LENGTH:
        raise ValueError(
            f"instruction {instruction!r} has {len(words)} words; it must have 1 to {INSTRUCTION_LENGTH} "
            "(INSTRUCTION_LENGTH in rsd_jax/backbones/instruction.py)"
        )
    ids = np.full(INSTRUCTION_LENGTH, PADDING, np.int32)
    ids[: len(words)] = [1 + zlib.crc32(word.encode()) % (VOCABULARY_SIZE - 1) for word in words]
    return ids

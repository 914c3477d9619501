"""FAST's action tokenizer: cosine transform, rounding, byte-pair encoding (arXiv 2501.09747, section 5).

A chunk becomes a short sequence of tokens whose number differs from chunk to chunk:

1. normalise and clip to [-1, 1];
2. orthonormal DCT-II over the chunk's steps, for every action dimension;
3. multiply by `scale` and round to integers, most of which are 0 where actions are smooth;
4. flatten, lowest frequency first and all dimensions of one frequency together;
5. write each integer as a character and merge frequent pairs of neighbours into one token, as learned by `train`.

Only step 3 loses anything. The price is that most strings of tokens are no chunk: they do not make C * A integers.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.rfsq.given_values import check_actions

_FIRST_CHARACTER = 0xF0000
"""Start of a plane for private use: no rule of Unicode applies to its characters."""


class DecodedActions(NamedTuple):
    """What sequences of tokens stand for.

    Attributes:
        actions: in the dataset's units, ``float32 [B, C, A]``.
        is_decodable: which sequences were the tokens of a chunk, ``bool [B]``.
    """

    actions: NDArray[np.float32]
    is_decodable: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class DctBpe:
    """Sequences of tokens of differing length, from frequencies of action chunks. Made by `train`.

    Attributes:
        normalizer: dataset units to [-1, 1].
        chunk_length: C, steps of a chunk.
        scale: integers per half range; larger is finer.
        bpe: the merges.
    """

    normalizer: ActionNormalizer
    chunk_length: int
    scale: float
    bpe: Tokenizer

    @staticmethod
    def train(
        actions: NDArray[np.float32], normalizer: ActionNormalizer, scale: float = 10.0, vocab_size: int = 1024
    ) -> "DctBpe":
        """Learns the merges; the same arguments give the same tokenizer.

        The alphabet holds every integer that a chunk in [-1, 1] can have, seen in training or not: any chunk is then
        encoded without loss beyond rounding. That costs few tokens, since a gripper that stays as it is for a whole
        chunk has the largest of all integers already.

        Args:
            actions: training chunks in the dataset's units, ``[N, C, A]``.
            normalizer: dataset units to [-1, 1].
            scale: integers per half range.
            vocab_size: largest number of tokens, single integers included; fewer where no pair is left that occurs
                twice.

        Raises:
            ValueError: if `actions` is not ``[N, C, A]`` with N >= 1 and the normalizer's A, or not finite, if `scale`
                is not positive, or if `vocab_size` has no room for the single integers.
        """
        action_dim = normalizer.center.shape[0]
        if actions.ndim != 3 or 0 in actions.shape or actions.shape[2] != action_dim:
            raise ValueError(f"actions has shape {actions.shape}; expected [N, C, {action_dim}] with N, C >= 1")
        check_actions(actions, actions.shape[1], action_dim)
        if not 0 < scale < math.inf:
            raise ValueError(f"scale is {scale}; it must be positive")
        tokenizer = DctBpe(normalizer, actions.shape[1], scale, Tokenizer(BPE()))
        alphabet = [chr(_FIRST_CHARACTER + i) for i in range(2 * tokenizer.largest_integer + 1)]
        if vocab_size < len(alphabet):
            raise ValueError(
                f"vocab_size is {vocab_size}; at scale {scale} chunks of {actions.shape[1]} steps have integers of "
                f"{len(alphabet)} values, each a token. Take a larger vocab_size or a smaller scale"
            )
        trainer = BpeTrainer(
            vocab_size=vocab_size, min_frequency=2, initial_alphabet=alphabet, special_tokens=[], show_progress=False
        )
        tokenizer.bpe.train_from_iterator(tokenizer._strings(actions), trainer)
        return tokenizer

    @property
    def vocab_size(self) -> int:
        """Number of tokens."""
        return self.bpe.get_vocab_size()

    @property
    def largest_integer(self) -> int:
        """No rounded coefficient of a chunk in [-1, 1] exceeds it: C equal steps at an end have ``scale sqrt(C)``."""
        return math.ceil(self.scale * math.sqrt(self.chunk_length))

    def tokenize(self, actions: NDArray[np.float32]) -> list[list[int]]:
        """Tokens of every chunk of `actions` ``[B, C, A]``, in the dataset's own units.

        Raises:
            ValueError: on another chunk length or action dimension than the tokenizer's, or on a number that is not
                finite.
        """
        check_actions(actions, self.chunk_length, self.normalizer.center.shape[0])
        return [encoding.ids for encoding in self.bpe.encode_batch(self._strings(actions))]

    def detokenize(self, sequences: Sequence[Sequence[int]]) -> DecodedActions:
        """Actions that `sequences` stand for; the gripper is -1 or +1.

        A sequence is not decodable if it does not make exactly C * A integers, or holds an id that is no token. Its
        actions are then the middle of the range, as in FAST's code, and `is_decodable` says so.
        """
        chunk = (self.chunk_length, self.normalizer.center.shape[0])
        integers = np.zeros((len(sequences), math.prod(chunk)), np.int64)
        is_decodable = np.zeros(len(sequences), bool)
        for row, sequence in enumerate(sequences):
            if not all(0 <= token < len(self._integers_of) for token in sequence):
                continue
            found = [integer for token in sequence for integer in self._integers_of[token]]
            if len(found) == math.prod(chunk):
                integers[row], is_decodable[row] = found, True
        coefficients = integers.reshape(-1, *chunk) / self.scale
        normalized = np.einsum("fc,bfa->bca", _dct_matrix(self.chunk_length), coefficients)
        actions = self.normalizer.denormalize(jnp.asarray(normalized, jnp.float32))
        return DecodedActions(np.asarray(actions), is_decodable)

    @cached_property
    def _integers_of(self) -> list[list[int]]:
        tokens = sorted(self.bpe.get_vocab().items(), key=lambda token: token[1])
        offset = _FIRST_CHARACTER + self.largest_integer
        return [[ord(character) - offset for character in text] for text, _ in tokens]

    def _strings(self, actions: NDArray[np.float32]) -> list[str]:
        """One character per integer, ``C * A`` of them for every chunk."""
        normalized = np.clip(self.normalizer.normalize(jnp.asarray(actions, jnp.float32)), -1.0, 1.0)
        coefficients = np.einsum("fc,bca->bfa", _dct_matrix(self.chunk_length), normalized)
        integers = np.rint(self.scale * coefficients).astype(np.int64)
        codes = integers.reshape(len(actions), math.prod(actions.shape[1:])) + self.largest_integer + _FIRST_CHARACTER
        return ["".join(map(chr, row)) for row in codes.tolist()]


def _dct_matrix(length: int) -> NDArray[np.float64]:
    """The orthonormal DCT-II, ``[frequency, step]``; its transpose is its inverse."""
    frequency, step = np.arange(length)[:, None], np.arange(length)
    matrix = math.sqrt(2 / length) * np.cos(math.pi * frequency * (2 * step + 1) / (2 * length))
    matrix[0] = math.sqrt(1 / length)
    return matrix

"""Main functions that keep what they have made of digits, and how decoders call them and those that keep nothing."""

from typing import Literal, Protocol, runtime_checkable

from rsd_jax.array_types import Logits, Position, PyTree, Tokens
from rsd_jax.decoding.interface import MainFn


@runtime_checkable
class CachingMainFn(Protocol):
    """A `MainFn` that computes nothing twice: a language model with a cache of keys and values.

    Called like one, and with what its last call returned. In every column the digits before ``position - 1`` are then
    those that earlier calls have read there. The digit right before the position may be new, for that is where a rule
    puts its own, and so may all digits behind: what was kept of these must be made anew before it is read.

    The first call has no cache, scores from layer 0 on, which it is told as a Python number, and may do work that no
    digit changes: a prefill, in which the digits of the first draft ride along.

    Attributes:
        keeps_cache: True; what tells it from a `MainFn`.
    """

    keeps_cache: Literal[True]

    def __call__(
        self, features: PyTree, cache: PyTree | None, tokens: Tokens, position: Position | int, *, num_layers: int
    ) -> tuple[Logits, PyTree]:
        """Logits of the next `num_layers` layers, and what is kept for the next call."""
        ...


def score_and_keep(
    main: MainFn | CachingMainFn,
    features: PyTree,
    cache: PyTree | None,
    tokens: Tokens,
    position: Position | int,
    num_layers: int,
) -> tuple[Logits, PyTree | None]:
    """What `main` says of `num_layers` layers, and what it keeps: None, if it is a `MainFn`."""
    if isinstance(main, CachingMainFn):
        return main(features, cache, tokens, position, num_layers=num_layers)
    return main(features, tokens, position, num_layers=num_layers), None


def check_first_pass(main: MainFn | CachingMainFn, is_written_out: bool, nothing_is_given: bool = True) -> None:
    """Whether the first call of a caching main function comes as it must: at layer 0, outside any loop.

    Raises:
        ValueError: it would not.
    """
    if isinstance(main, CachingMainFn) and not (is_written_out and nothing_is_given):
        raise ValueError(
            "main keeps a cache, which its first call makes: that call must be written out, at layer 0 of every "
            "column. Give no digits in advance (given=None), and have at least one pass unrolled"
        )

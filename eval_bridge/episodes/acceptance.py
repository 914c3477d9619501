"""What became of the tokens that the draft proposed in an episode: by digit, and by whole layer.

Columns don't wait for each other in speculative decoding, so a layer is no unit of it, and whether to make it one is
answered in two steps of different strictness:

- `first_run` is exact. In a chunk's first round every column drafts layers 0 to K - 1 from the same prefix, as a
  decoder would that accepts or drops whole layers; it would keep as many as all columns agree on.
- `whole_layers` describes the draft as this decoder used it: layer l of a chunk counts if every token ever drafted for
  it was accepted, in whatever round its column came to it. A token dropped behind a mismatch of its column and
  accepted when drafted again does not count, and a column whose layer l the main head chose in passing drafted nothing
  that could fail. Above layer K - 1 that is no figure of a decoder with whole layers, which would have all columns
  draft from one layer on, and for most columns another one than here. For layers 0 to K - 1, drafted by all columns in
  the first round, it is whether all columns with an informative digit there got beyond it at once; ``first_run > l``
  asks besides that the others weren't stopped before.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from eval_bridge.policies.interface import PolicyOutput

Counts = tuple[int, ...]
Rates = tuple[float | None, ...]


class EpisodeAcceptance(NamedTuple):
    """Counts over the chunks of one or more episodes, empty for a policy without tokens; rates are None where none is.

    Attributes:
        accepted: draft tokens accepted, ``[L][D]``, informative digits only.
        proposed: draft tokens proposed, likewise.
        whole_layers: chunks in which every token drafted for a layer was accepted, ``[L]``.
        drafted_layers: chunks in which a token was drafted for a layer, ``[L]``.
        first_run: chunks by the number of leading layers that all columns accepted in the first round, ``[K + 1]``.
    """

    accepted: tuple[Counts, ...]
    proposed: tuple[Counts, ...]
    whole_layers: Counts
    drafted_layers: Counts
    first_run: Counts

    def token_rate(self) -> float | None:
        """Accepted / proposed tokens."""
        return _ratio(sum(map(sum, self.accepted)), sum(map(sum, self.proposed)))

    def layer_rates(self) -> Rates:
        """Accepted / proposed tokens by layer, ``[L]``."""
        return _ratios(map(sum, self.accepted), map(sum, self.proposed))

    def column_rates(self) -> Rates:
        """Accepted / proposed tokens by latent dimension, over all layers, ``[D]``."""
        return _ratios(_sum_rows(self.accepted), _sum_rows(self.proposed))

    def digit_rates(self) -> tuple[Rates, ...]:
        """Accepted / proposed tokens by layer and latent dimension, ``[L][D]``."""
        return tuple(_ratios(*layer) for layer in zip(self.accepted, self.proposed, strict=True))

    def whole_layer_rates(self) -> Rates:
        """Share of the chunks that drafted a layer in which all its drafted tokens were accepted, ``[L]``."""
        return _ratios(self.whole_layers, self.drafted_layers)


def count_acceptance(chunks: Sequence[PolicyOutput]) -> EpisodeAcceptance:
    """Sums the counts of an episode's chunks, of which there is at least one.

    What is whole must be found chunk by chunk: sums over chunks no longer tell.
    """
    accepted, proposed = (
        np.stack([chunk.accepted for chunk in chunks]),
        np.stack([chunk.proposed for chunk in chunks]),
    )
    is_drafted = proposed.sum(axis=-1) > 0
    is_whole = is_drafted & (accepted == proposed).all(axis=-1)
    return EpisodeAcceptance(
        accepted=tuple(tuple(layer) for layer in accepted.sum(axis=0).tolist()),
        proposed=tuple(tuple(layer) for layer in proposed.sum(axis=0).tolist()),
        whole_layers=tuple(is_whole.sum(axis=0).tolist()),
        drafted_layers=tuple(is_drafted.sum(axis=0).tolist()),
        first_run=tuple(np.sum([chunk.first_run for chunk in chunks], axis=0).tolist()),
    )


def total_acceptance(episodes: Sequence[EpisodeAcceptance]) -> EpisodeAcceptance:
    """Sums the counts of episodes; empty without one.

    Raises:
        ValueError: they are of codes of different shape.
    """
    return EpisodeAcceptance(
        accepted=tuple(_sum_rows(layers) for layers in zip(*(each.accepted for each in episodes), strict=True)),
        proposed=tuple(_sum_rows(layers) for layers in zip(*(each.proposed for each in episodes), strict=True)),
        whole_layers=_sum_rows([each.whole_layers for each in episodes]),
        drafted_layers=_sum_rows([each.drafted_layers for each in episodes]),
        first_run=_sum_rows([each.first_run for each in episodes]),
    )


def _sum_rows(rows: Iterable[Counts]) -> Counts:
    return tuple(map(sum, zip(*rows, strict=True)))


def _ratios(parts: Iterable[int], wholes: Iterable[int]) -> Rates:
    return tuple(_ratio(part, whole) for part, whole in zip(parts, wholes, strict=True))


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None

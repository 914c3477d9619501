"""What a benchmark of decoders measures."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from eval_bridge.policies.decoder_interface import Decoder
from eval_bridge.policies.decoders import TokenDecoder, read_decoder
from rsd_jax.pretrained import PRETRAINED


class Entry(NamedTuple):
    """A decoder to measure, and its settings as they were written, in the order of their names."""

    decoder: Decoder
    settings: str

    @property
    def label(self) -> str:
        """Name and settings."""
        return f"{self.decoder.name} {self.settings}".strip()


@dataclass(frozen=True)
class BenchmarkSettings:
    """What is measured.

    Attributes:
        run_dir: whose checkpoints; "" for the one that ships with the project.
        demos: demonstrations whose frames the policy sees, HDF5 files or folders of them; () for patchwork.
        observations: so many of them, at most.
        decoders: ``NAME SETTING=VALUE ...`` of each (`read_decoder`).
        baseline: what speed-ups are told against, one of them or one more; it decodes tokens at every call.
        batches: rows of a call.
        repeats: timed turns of every stage, for each of `batches`.
        warm_up: turns before those, dropped.
        calls_a_turn: see `measure_interleaved`.

    Raises:
        ValueError: on construction, if a number is out of range, a decoder or a setting does not exist, a decoder is
            named twice, or the baseline decodes no tokens.
    """

    run_dir: str
    demos: tuple[str, ...]
    observations: int
    decoders: tuple[str, ...]
    baseline: str
    batches: tuple[int, ...]
    repeats: tuple[int, ...]
    warm_up: int
    calls_a_turn: int

    def __post_init__(self) -> None:
        for name in ("observations", "warm_up", "calls_a_turn"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1.")
        for name in ("batches", "repeats"):
            if not getattr(self, name) or min(getattr(self, name)) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must name at least one number, and none below 1.")
        if len(self.repeats) != len(self.batches) or len(set(self.batches)) != len(self.batches):
            raise ValueError(
                f"batches={self.batches} and repeats={self.repeats} must be equally long: of each batch size, which "
                "is named once, the timed turns."
            )
        labels = [entry.label for entry in self.entries]
        if twice := {label for label in labels if labels.count(label) > 1}:
            raise ValueError(f"decoders names {', '.join(sorted(twice))} twice; one row is made of each.")
        if not isinstance(read_entry(self.baseline).decoder, TokenDecoder):
            raise ValueError(f"baseline={self.baseline!r} must decode tokens at every call.")

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The decoders, the baseline first."""
        first = read_entry(self.baseline)
        return (first, *(entry for entry in map(read_entry, self.decoders) if entry.label != first.label))

    @property
    def checkpoints(self) -> Path:
        """The folder with the checkpoints."""
        return Path(self.run_dir) if self.run_dir else PRETRAINED

    @property
    def checkpoint_name(self) -> str:
        """The folder with the checkpoints, as a reader of another machine knows it."""
        return self.run_dir or f"pretrained/{PRETRAINED.name}"


def read_entry(text: str) -> Entry:
    """The decoder that ``NAME SETTING=VALUE ...`` means.

    Raises:
        ValueError: there is no such decoder or setting (`read_decoder`), or no name.
    """
    name, *settings = text.split() or [""]
    written = " ".join(sorted(settings))
    return Entry(read_decoder(name, written), written)

"""What one step of a training takes, as far as its network decides: operations, bytes, and how they can be split."""

from dataclasses import dataclass
from typing import NamedTuple

FLOAT32 = 4
"""Bytes of a stored parameter, of its gradient, and of every other number that the optimizer keeps of it."""


class Stack(NamedTuple):
    """Transformer blocks of one width: how many, for how many tokens a row."""

    blocks: int
    tokens: int
    width: int


class Parameters(NamedTuple):
    """How many parameters lie whole on every device, and how many are split over which mesh axes."""

    whole: int
    by_fsdp: int
    by_tensor: int
    by_both: int

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self)

    def on_device(self, fsdp: int, tensor: int) -> float:
        """Those of one device."""
        return self.whole + self.by_fsdp / fsdp + self.by_tensor / tensor + self.by_both / (fsdp * tensor)

    def gathered(self, tensor: int) -> float:
        """Those that a device collects from the others of its fsdp axis to compute with."""
        return self.by_fsdp + self.by_both / tensor

    def kept_whole(self, tensor: int) -> float:
        """Those that the fsdp axis leaves whole, whose gradients it adds up as the data axis does."""
        return self.whole + self.by_tensor / tensor


@dataclass(frozen=True)
class TrainingCost:
    """A network in training, whatever trains it.

    Attributes:
        flops_per_row: multiplications and additions of a row, forward and backward.
        parameters: that are trained.
        state_copies: float32 numbers a parameter: itself, its gradient, AdamW's two moments (12 bytes without the
            gradient, Rajbhandari et al. 2020, arXiv 1910.02054, section 3.1, where weights are also kept in half
            precision), and the average that is evaluated, if there is one.
        activation_bytes_per_row: that the backward pass needs of the forward pass.
        compute_bytes: of a number while it is computed with, 2 for bfloat16.
        stacks: transformer blocks that the tensor axis can share.
        most_fsdp, most_tensor: largest sizes of the two axes; every size has to divide them.
        row_bytes: of a row as it is stored.
    """

    flops_per_row: float
    parameters: Parameters
    state_copies: int
    activation_bytes_per_row: float
    compute_bytes: int
    stacks: tuple[Stack, ...]
    most_fsdp: int
    most_tensor: int
    row_bytes: int

    def __post_init__(self) -> None:
        """Checks that it is a training of something."""
        for name in ("flops_per_row", "state_copies", "compute_bytes", "most_fsdp", "most_tensor"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be positive")
        if self.parameters.total < 1:
            raise ValueError(f"parameters are {self.parameters}; there must be at least one to train")

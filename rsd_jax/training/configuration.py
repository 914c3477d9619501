"""Numbers that determine a training run."""

from dataclasses import dataclass

from rsd_jax.training.row_sources import PLACES
from rsd_jax.training.train_state import MANTISSA_BITS

WITHOUT_INFLUENCE = frozenset(
    {"log_every", "checkpoint_every_seconds", "steps_per_dispatch", "tensorboard", "data", "data_threads"}
)
"""Fields of `TrainingConfig` that change no result: a run may be continued with other values of them."""


@dataclass(frozen=True)
class TrainingConfig:
    """Optimisation and bookkeeping of one stage.

    Attributes:
        steps: optimizer steps.
        batch_size: rows of the global batch, over all processes.
        learning_rate: peak of the schedule (linear warm-up, then cosine to zero at `steps`).
        warmup_steps: steps of the linear warm-up; 0 starts at the peak.
        weight_decay: decoupled weight decay (AdamW) of parameters with at least two axes.
        gradient_clip: bound on the global gradient norm.
        ema_decay: decay of the exponential moving average of the parameters, which is then what is evaluated and kept
            as best; 0 turns it off.
        stored_dtype: ``float32``, or ``bfloat16``: what is evaluated and kept as best is rounded to values of this
            type (and kept in float32), so that it compresses to half the space.
        seed: determines initial parameters, order of the data and randomness of the loss.
        evaluate_every: steps between held-out evaluations; there is always one at the end.
        checkpoint_every: steps between saves of the latest state; there is always one at the end.
        checkpoint_every_seconds: the latest state is also saved when so much time has passed since it last was.
        log_every: steps between rows of ``metrics.jsonl``.
        steps_per_dispatch: optimizer steps that one call of a compiled program runs. Small networks spend most of
            their time between calls; more steps a call need memory for as many batches. No call runs over an
            evaluation, a save or the end: steps that are left before one run singly, so it is best a divisor of
            `evaluate_every` and `checkpoint_every`. Keep 1 for convolutions on a CPU: XLA computes their gradients
            many times slower inside a loop, and rounds them otherwise.
        tensorboard: also write TensorBoard events.
        data: where the rows lie, which changes no batch: ``host`` gathers from memory, ``disk`` from files mapped into
            it, by threads and ahead of the steps; ``device`` keeps them on the devices, whole or split; ``auto`` takes
            the device if it is an accelerator with room for them (`row_sources.choice`), else the host.
        data_threads: threads that gather for ``host`` and ``disk``; never more than there are cores.
    """

    steps: int
    batch_size: int
    learning_rate: float
    warmup_steps: int = 0
    weight_decay: float = 0.0
    gradient_clip: float = 1.0
    ema_decay: float = 0.0
    stored_dtype: str = "float32"
    seed: int = 0
    evaluate_every: int = 500
    checkpoint_every: int = 500
    checkpoint_every_seconds: float = 300.0
    log_every: int = 50
    steps_per_dispatch: int = 1
    tensorboard: bool = False
    data: str = "auto"
    data_threads: int = 8

    def __post_init__(self) -> None:
        """Rejects values that no run can have."""
        counts = ("steps", "batch_size", "evaluate_every", "checkpoint_every", "log_every", "steps_per_dispatch")
        for name in (*counts, "data_threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"training.{name} must be at least 1, got {getattr(self, name)}")
        for name in ("learning_rate", "gradient_clip", "checkpoint_every_seconds"):
            if not getattr(self, name) > 0:
                raise ValueError(f"training.{name} must be positive, got {getattr(self, name)}")
        if not self.weight_decay >= 0:
            raise ValueError(f"training.weight_decay must not be negative, got {self.weight_decay}")
        if not 0 <= self.warmup_steps < self.steps:
            raise ValueError(
                f"training.warmup_steps must be at least 0 and below training.steps={self.steps}, "
                f"got {self.warmup_steps}"
            )
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"training.ema_decay must lie in [0, 1), got {self.ema_decay}; 0 turns the average off")
        if self.stored_dtype not in MANTISSA_BITS:
            raise ValueError(
                f"training.stored_dtype must be one of {', '.join(MANTISSA_BITS)}, got {self.stored_dtype!r}"
            )
        if self.data not in PLACES:
            raise ValueError(f"training.data must be one of {', '.join(PLACES)}, got {self.data!r}")

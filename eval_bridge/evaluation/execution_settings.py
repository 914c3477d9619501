"""How chunks are executed and how long calls take, as configurations say it and identities tell it."""

from dataclasses import dataclass
from typing import Any

from eval_bridge.episodes.execution.blocking import BLOCKING, Blocking
from eval_bridge.episodes.execution.delayed import Asynchronous, Hold, RealTimeChunking
from eval_bridge.episodes.execution.interface import Execution
from eval_bridge.evaluation.delays import Delay, MeasuredDelay, read_delay
from eval_bridge.policies.cascade_decoder import CascadeDecoder
from eval_bridge.policies.decoder_interface import Decoder
from eval_bridge.policies.real_time import completing_decoder
from rsd_jax.run_folder import PROFILE_NAME

EXECUTIONS = tuple(kind.name for kind in (Blocking, Hold, Asynchronous, RealTimeChunking))
"""Names of the ways to execute chunks."""

TIMING = ("execution", "delay", "delay_digest", "actions_left", "coarse_layers")
"""What identities tell of time (`ExecutionSettings.identity`)."""


@dataclass(frozen=True)
class ExecutionSettings:
    """What an evaluation is asked for about time.

    Attributes:
        execution: one of `EXECUTIONS`.
        delay: of the policy's calls (`read_delay`); empty for `blocking`, which lets no time pass.
        actions_left: of `async` and `rtc`: a call is made when no more actions are left.
        coarse_layers: of `rtc`: layers that a call is given of what is left of the last chunk beyond the delay.

    Raises:
        ValueError: on construction, for a name or a number that cannot be.
    """

    execution: str = Blocking.name
    delay: str = ""
    actions_left: int = 4
    coarse_layers: int = 3

    def __post_init__(self) -> None:
        if self.execution not in EXECUTIONS:
            raise ValueError(f"execution={self.execution!r} does not exist; choose one of {', '.join(EXECUTIONS)}.")
        if self.made.lets_time_pass != bool(self.delay):
            raise ValueError(
                f"execution={self.execution} needs a delay: measured, a number of control steps, or a latency profile"
                if self.made.lets_time_pass
                else f"delay={self.delay!r} means nothing to execution=blocking, in which no time passes: leave it "
                f"out, or choose one of {', '.join(EXECUTIONS[1:])}"
            )
        if self.coarse_layers < 0:
            raise ValueError(f"coarse_layers={self.coarse_layers} must be at least 0")
        self.read_delay()

    @property
    def made(self) -> Execution:
        """The execution that is named."""
        match self.execution:
            case Hold.name:
                return Hold()
            case Asynchronous.name:
                return Asynchronous(self.actions_left)
            case RealTimeChunking.name:
                return RealTimeChunking(self.actions_left)
            case _:
                return BLOCKING

    def read_delay(self) -> Delay | None:
        """How long calls take; None where no time passes. Raises as the function of the same name does."""
        return read_delay(self.delay) if self.delay else None

    def check(self, decoder: Decoder, parts: int) -> None:
        """Whether a decoder can act so, in an evaluation of so many parts.

        Raises:
            ValueError: it cannot.
        """
        made = self.made
        if isinstance(made, Asynchronous) and isinstance(decoder, CascadeDecoder):
            raise ValueError(
                f"decoder={decoder.name} compares chunks that are executed whole, one behind the other, which "
                f"execution={self.execution} does not: choose another decoder, or execution=hold"
            )
        if made.promises:
            completing_decoder(decoder)
        if parts > 1 and isinstance(self.read_delay(), MeasuredDelay):
            raise ValueError(
                "delay=measured is of one host, and the parts of an evaluation must draw from the same profile: "
                f"measure it in an evaluation of one part, and give its {PROFILE_NAME} to all, "
                f"--config.delay=FOLDER/{PROFILE_NAME}"
            )

    @property
    def identity(self) -> dict[str, Any]:
        """What two episodes must have in common besides their policy; nothing where no time passes."""
        delay, made = self.read_delay(), self.made
        if delay is None:
            return {}
        told: dict[str, Any] = {"execution": self.execution, **delay.identity}
        if isinstance(made, Asynchronous):
            told["actions_left"] = made.actions_left
        if made.promises:
            told["coarse_layers"] = self.coarse_layers
        return told

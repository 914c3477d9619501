"""What a sweep over executions and delays is asked for, as ``configs/delays.py`` explains it."""

from dataclasses import dataclass
from typing import NamedTuple

from eval_bridge.evaluation.execution_settings import ExecutionSettings
from eval_bridge.runs.evaluation_stage import Starts, evaluation_stage
from eval_bridge.runs.stage_process import PipelineStage
from rsd_jax.file_names import file_name


class Cell(NamedTuple):
    """One evaluation of the sweep."""

    decoder: str
    timing: ExecutionSettings

    @property
    def label(self) -> str:
        """What it is called: ``fixed_point hold 3``."""
        return " ".join(filter(None, (self.decoder, self.timing.execution, self.timing.delay)))

    @property
    def folder(self) -> str:
        """Its folder within the sweep's: ``fixed_point/hold_3``."""
        name = "_".join(filter(None, (self.timing.execution, self.timing.delay)))
        return f"{self.decoder}/{file_name(name)}"


@dataclass(frozen=True)
class DelaySweepSettings:
    """What is evaluated: of every decoder one cell in which the clock stands still, and each execution at each delay.

    Attributes:
        run_dir: whose checkpoints act; empty for those that ship with the project.
        output: folder inside it, for all cells. out: file of the results.
        starts: of every cell's episodes.
        decoders: their names.
        executions: in which time passes. delays: of `read_delay`: numbers of steps, or profiles.
        actions_left, coarse_layers: of `ExecutionSettings`.
        parallel: cells at the same time.

    Raises:
        ValueError: on construction, if there is nothing to evaluate, a cell occurs twice or cannot be, or `out` is no
            JSON file.
    """

    run_dir: str
    output: str
    out: str
    starts: Starts
    decoders: tuple[str, ...]
    executions: tuple[str, ...]
    delays: tuple[str, ...]
    actions_left: int
    coarse_layers: int
    parallel: int

    def __post_init__(self) -> None:
        if not self.out.endswith(".json"):
            raise ValueError(f"out={self.out!r} must end in .json")
        if self.parallel < 1 or not self.decoders:
            raise ValueError(f"parallel={self.parallel} must be at least 1, and decoders={self.decoders} not empty")
        for name in ("decoders", "executions", "delays"):
            if len(set(values := getattr(self, name))) != len(values):
                raise ValueError(f"{name}={values} names one twice")
        if (still := ExecutionSettings().execution) in self.executions:
            raise ValueError(f"executions={self.executions} names {still}, which is evaluated anyway: leave it out")
        self.stages()

    @property
    def cells(self) -> list[Cell]:
        """All of them, in order."""
        timings = [
            ExecutionSettings(execution, delay, self.actions_left, self.coarse_layers)
            for execution in self.executions
            for delay in self.delays
        ]
        return [Cell(decoder, timing) for decoder in self.decoders for timing in (ExecutionSettings(), *timings)]

    def stages(self) -> dict[str, PipelineStage]:
        """The evaluation of every cell, by its label; raises as `evaluation_stage` does."""
        return {
            cell.label: evaluation_stage(
                self.starts, self.run_dir, f"{self.output}/{cell.folder}", cell.decoder, timing=cell.timing
            )
            for cell in self.cells
        }

"""What stages that are not finished need of the machine, checked before anything is written."""

from collections.abc import Sequence

from eval_bridge.preflight.needed_requirements import require_at_once
from eval_bridge.preflight.stage_needs import ReadConfig, needs_of
from eval_bridge.runs.stage_process import PipelineStage
from eval_bridge.simulators.libero.renderer import choose_renderer


def require_what_is_missing(stages: Sequence[PipelineStage], read_config: ReadConfig) -> None:
    """Checks what those of `stages` need that are not finished.

    Raises:
        RequirementsNotMet: something is missing; the message lists all of it.
        RendererNotFound: frames are needed, and nothing on this machine renders.
        ValueError: a value of a configuration is impossible.
    """
    needs = [needs_of(stage.command, read_config) for stage in stages if not stage.is_finished(stage.output)]
    if needs:
        require_at_once(needs)
    if any(each.renderer for each in needs):
        choose_renderer()

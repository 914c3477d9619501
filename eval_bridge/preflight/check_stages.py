"""Whether everything is there that the stages of a run need, all of them together, before the first one starts."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from eval_bridge.preflight.needed_requirements import quick_requirements, slow_requirements
from eval_bridge.preflight.requirements import check_all
from eval_bridge.preflight.stage_needs import ReadConfig, needs_of
from eval_bridge.simulators.check_result import CheckResult


def check_stages(
    commands: Mapping[str, Sequence[str]],
    read_config: ReadConfig,
    *,
    with_processes: bool = True,
    demos_of: Path | None = None,
) -> list[CheckResult]:
    """Checks what is needed, and writes nothing; some 5 seconds on 2 cores.

    Args:
        commands: those that will run, by the stage's name (`needs_of`).
        read_config: reads their configurations.
        with_processes: also what takes processes that import, compute and render: nearly all of the time.
        demos_of: another run, whose demonstrations will be used.

    Returns:
        All results, passed or not: of the configurations, then of the machine.
    """
    started = time.monotonic()
    needs, wrong = [], []
    for name, command in commands.items():
        try:
            needs.append(needs_of(command, read_config))
        except (ValueError, OSError, ImportError) as error:
            wrong.append(CheckResult(f"configuration of {name}", False, str(error), time.monotonic() - started))
    if not wrong:
        wrong = [CheckResult("configurations", True, ", ".join(commands), time.monotonic() - started)]
    wanted = quick_requirements(needs, demos_of)
    if with_processes:
        wanted += slow_requirements(needs)
    return wrong + check_all(wanted)

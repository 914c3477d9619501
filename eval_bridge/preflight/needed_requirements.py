"""What has to be there for given needs, as requirements to check."""

from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from eval_bridge.preflight import requirements
from eval_bridge.preflight.disk_space import collected_bytes, rows_bytes
from eval_bridge.preflight.needs import Needs
from eval_bridge.preflight.requirements import Requirement, check_all, require_met
from rsd_jax.run_folder import ROWS_FOLDER


def require_at_once(needs: Sequence[Needs]) -> None:
    """Checks what takes no time.

    Raises:
        RequirementsNotMet: something is missing; the message lists all of it.
    """
    require_met(check_all(quick_requirements(needs)))


def quick_requirements(needs: Sequence[Needs], demos_of: Path | None = None) -> list[Requirement]:
    """What can be checked at once, without starting a process."""
    wanted = [Requirement("libraries", requirements.check_libraries)]
    if any(each.simulator for each in needs):
        wanted.append(Requirement("simulator packages", requirements.check_simulator_packages))
    if any(each.tensorboard for each in needs):
        wanted.append(Requirement("TensorBoard", _check_tensorboard))
    if folders := [folder for each in needs for folder in each.folders]:
        wanted.append(Requirement("folders", partial(requirements.check_writable, folders)))
        wanted.append(Requirement("disk", partial(requirements.check_disk, folders[0], bytes_needed(needs, demos_of))))
    return wanted


def slow_requirements(needs: Sequence[Needs]) -> list[Requirement]:
    """What takes a process that imports, computes or renders: seconds."""
    wanted = []
    if any(each.simulator for each in needs):
        wanted.append(Requirement("simulator", requirements.check_simulator_import))
    if any(each.renderer for each in needs):
        devices = tuple(dict.fromkeys(device for each in needs for device in each.render_devices))
        wanted.append(Requirement("renderer", partial(requirements.check_renderer, devices)))
    if any(each.device for each in needs):
        wanted.append(Requirement("device", requirements.check_device))
    if any(each.reports for each in needs):
        wanted.append(Requirement("reports", partial(requirements.check_imports, *requirements.REPORT_PACKAGES)))
    return wanted


def bytes_needed(needs: Sequence[Needs], demos_of: Path | None = None) -> int:
    """About what will be written: demonstrations, the rows that are cut from new and old ones, and all else."""
    demos = sum(each.demo_bytes for each in needs)
    # Trials of an ablation have links to the rows of their run, which are cut once.
    runs = {(each.rows_of / ROWS_FOLDER).resolve().parent for each in needs if each.rows_of is not None}
    rows = sum(rows_bytes(run, demos + collected_bytes(demos_of or run)) for run in runs)
    return demos + rows + sum(each.bytes_written for each in needs)


def _check_tensorboard() -> str:
    if find_spec("tensorboardX") is None:
        raise ValueError("config.tensorboard=True needs tensorboardX: pip install 'rsd_jax[tensorboard]'")
    return "tensorboardX is there"

"""What a pipeline's configuration asks for, as ``configs/quickstart.py`` explains it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from eval_bridge.runs.calibration_stages import CalibrationPlan
from eval_bridge.runs.converted_policy import ConvertedPolicy
from eval_bridge.runs.pipeline import set_aside
from eval_bridge.runs.pipeline_stages import PipelinePlan
from eval_bridge.runs.run_record import RunIdentity, check_same_run, read_identity
from eval_bridge.runs.shared_demos import share_demos
from eval_bridge.runs.stage_process import PipelineStage
from rsd_jax.pretrained import named_run
from rsd_jax.registry import to_dataclass
from rsd_jax.run_folder import RUN_RECORD


def read_pipeline(values: Mapping[str, Any]) -> tuple[PipelinePlan, RunIdentity]:
    """What the run consists of, and what names it.

    Raises:
        ValueError: as `PipelinePlan` and `CalibrationPlan`; or demonstrations of another run are asked for, and their
            collection anew.
    """
    demos = str(Path(values["demos"])) if values["demos"] else ""
    corrections_of = str(Path(values["corrections_of"])) if values["corrections_of"] else ""
    start_from = str(Path(values["start_from"])) if values["start_from"] else ""
    suites = tuple(values["suites"])
    # Only configs/openvla.py has a policy that is not trained.
    converted = to_dataclass(ConvertedPolicy, values["openvla"]) if "openvla" in values else None
    identity = RunIdentity(
        values["variant"],
        values["seed"],
        demos,
        values["tokenizer"],
        suites if len(suites) > 1 else (),
        corrections_of,
        converted.source if converted else "",
        values["demos_variant"],
        start_from,
    )
    plan = PipelinePlan(
        Path(values["run_dir"]),
        identity.variant,
        identity.seed,
        tuple(values["decoders"]),
        values["decoder_settings"],
        tokenizer=identity.tokenizer,
        calibration=to_dataclass(CalibrationPlan, values["calibration"]),
        render_devices=values["render_devices"],
        suites=suites,
        suite_variant=values["suite_variant"],
        corrections_of=corrections_of,
        converted=converted,
        demos_variant=identity.demos_variant,
        start_from=start_from,
    )
    if demos and values["from_stage"] in plan.collections:
        raise ValueError(f"the demonstrations belong to {demos}: collect them there, or leave config.demos out")
    return plan, identity


def claim_folder(
    plan: PipelinePlan, identity: RunIdentity, stages: Sequence[PipelineStage], from_stage: str, terminal: TextIO
) -> None:
    """Makes the run's folder the one that `identity` names, before any stage runs.

    Args:
        plan: of the run. identity: what names it. stages: all of them.
        from_stage: that is made anew; where it is the first, the folder may be made with something else.
        terminal: where to say what is moved away.

    Raises:
        ValueError: the folder was made with something else, demonstrations of another run do not fit, or a part before
            has collected the same.
        OSError: the folder cannot be written.
    """
    _require_new_demonstrations(identity)
    is_anew = from_stage == stages[0].name
    if is_anew:
        set_aside(stages, plan.run_dir, terminal)  # before the record says that the folder is made with something else
    check_same_run(plan.run_dir, identity, is_anew)
    share_demos(plan.run_dir, identity.demos, plan.suites)


def _require_new_demonstrations(identity: RunIdentity) -> None:
    """Raises ValueError where a part before this one has collected what this one would collect again."""
    source = "" if identity.demos else identity.start_from
    while source and (named_run(source) / RUN_RECORD).exists():
        before = read_identity(named_run(source))
        if not before.demos and _collected(before) == _collected(identity):
            raise ValueError(
                f"{source}, a part of the training before this one, has collected the demonstrations of "
                f"seed={identity.seed}: give the next one (--config.seed=...), or train on the same again "
                f"(--config.demos={source})"
            )
        source = before.start_from


def _collected(identity: RunIdentity) -> tuple[object, ...]:
    return identity.seed, identity.variant, identity.suites, identity.demos_variant

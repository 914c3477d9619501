"""The stages of a run: their commands, what they leave, and how one sees that it is all there."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path

from eval_bridge.policies.cascade import CASCADE
from eval_bridge.policies.decoder_interface import Decoder
from eval_bridge.policies.decoders import check_decoder, read_decoder
from eval_bridge.runs.calibration_stages import CalibrationPlan, calibration_stages, has_all_episodes_as_fitted
from eval_bridge.runs.converted_policy import CONVERTED, FEATURES, ConvertedPolicy
from eval_bridge.runs.finished_evaluations import compares_with, has_all_episodes
from eval_bridge.runs.shared_demos import has_all_demos
from eval_bridge.runs.stage_process import PipelineStage
from eval_bridge.runs.training import is_trained
from rsd_jax.checkpoints.stage_checkpoints import StageCheckpoints
from rsd_jax.pretrained import named_run
from rsd_jax.run_folder import (
    CASCADE_STAGES,
    COMPARISONS_NAME,
    DEMOS_FOLDER,
    EARLY_EXIT_STAGES,
    HEADLINE,
    TRAINED_STAGES,
    corrections_folder,
    evaluation_folder,
    of_suite,
)


@dataclass(frozen=True)
class PipelinePlan:
    """What a run consists of.

    Attributes:
        run_dir: its folder.
        variant: of every stage's configuration.
        seed: of collection and training; the evaluation's belongs to its protocol, not to the run.
        decoders: each is evaluated on the same starts, in this order; the first is the headline. With several, a last
            stage writes its report again, with the comparisons.
        settings: of some of the decoders, by name, as `read_decoder` takes them; the others have their defaults.
        tokenizer: variant of the tokenizer's configuration; empty for `variant`.
        calibration: how the threshold of a cascade without settings of its own is fitted before it is evaluated; None
            for its default.
        render_devices: graphics devices, as EGL counts them, that collection and evaluations render on, in turn.
        suites: that the policy learns together and is evaluated on. Where there are several, stages and folders of
            each have its name in theirs.
        suite_variant: of their configurations of collection and evaluation, with ``{suite}`` where the suite's name
            stands; empty for `variant`.
        corrections_of: folder of a run whose policy's mistakes are corrected by more demonstrations; empty for none.
        converted: the policy that is converted instead of trained; None for a trained one.
        demos_variant: of the configurations of collection alone, likewise; empty for `suite_variant`.
        start_from: run of which this one is the next part (`build_stage`): its tokenizer is kept, policy and heads
            begin with its weights, and so does a draft policy if there is one; empty for a training from nothing.

    Raises:
        ValueError: on construction: no decoder or an unknown one, a decoder or suite named twice, settings that
            `named_decoders` refuses, the same variant for all suites, or weights to begin with given for a converted
            policy.
    """

    run_dir: Path
    variant: str
    seed: int
    decoders: Sequence[str]
    settings: Mapping[str, str] = field(default_factory=dict)
    tokenizer: str = ""
    calibration: CalibrationPlan | None = None
    render_devices: Sequence[int] = ()
    suites: Sequence[str] = ("libero_spatial",)
    suite_variant: str = ""
    corrections_of: str = ""
    converted: ConvertedPolicy | None = None
    demos_variant: str = ""
    start_from: str = ""

    def __post_init__(self) -> None:
        if not self.decoders or len(set(self.decoders)) != len(self.decoders):
            raise ValueError(f"decoders={tuple(self.decoders)} must name at least one decoder, and each only once")
        if not self.suites or len(set(self.suites)) != len(self.suites):
            raise ValueError(f"suites={tuple(self.suites)} must name at least one suite, and each only once")
        for name, variant_of in (("suite_variant", self.variant_of), ("demos_variant", self.demos_variant_of)):
            if len(set(map(variant_of, self.suites))) < len(self.suites):
                raise ValueError(f"{name}={getattr(self, name)!r} must hold {{suite}}, for which each suite stands")
        _ = self.named  # which rejects what it cannot be made of
        if self.converted is not None and self.start_from:
            raise ValueError(
                f"start_from={self.start_from!r}: this run converts its policy and trains none; leave start_from out"
            )

    @property
    def named(self) -> dict[str, Decoder]:
        """The decoders by name, each with its settings."""
        return named_decoders(self.decoders, self.settings)

    def variant_of(self, suite: str) -> str:
        """The variant by which one of the suites is collected and evaluated."""
        return (self.suite_variant or self.variant).format(suite=suite)

    def demos_variant_of(self, suite: str) -> str:
        """The variant by which demonstrations of one of the suites are collected."""
        return self.demos_variant.format(suite=suite) if self.demos_variant else self.variant_of(suite)

    def tag(self, suite: str) -> str:
        """What names of one of the suites have behind them; empty where it is the only one."""
        return suite if len(self.suites) > 1 else ""

    @property
    def tags(self) -> tuple[str, ...]:
        """That of each suite."""
        return tuple(map(self.tag, self.suites))

    @property
    def headlines(self) -> tuple[str, ...]:
        """Names of the stages that evaluate the first decoder, one a suite."""
        return tuple(of_suite("evaluate", tag) for tag in self.tags)

    @property
    def collections(self) -> tuple[str, ...]:
        """Names of the stages that collect demonstrations, one a suite."""
        return tuple(of_suite("collect", tag) for tag in self.tags)

    @property
    def corrections(self) -> tuple[str, ...]:
        """Names of the stages that collect corrections, one a suite; none where nothing is corrected."""
        return tuple(of_suite("correct", tag) for tag in self.tags) if self.corrections_of else ()


def stages_of(plan: PipelinePlan) -> list[PipelineStage]:
    """The stages of a run in order, each with the command that makes its output."""
    stages = [_collection(plan, suite) for suite in plan.suites]
    if plan.corrections_of:
        stages += [_correction(plan, suite) for suite in plan.suites]
    read_by_all = (*plan.collections, *plan.corrections)
    if plan.converted is not None:
        stages += plan.converted.stages(plan.run_dir, plan.seed, read_by_all)
        read_by_all += (CONVERTED, FEATURES)
    # What only one decoder needs is trained when it is its turn: the headline does not wait for it.
    for decoder in plan.decoders:
        there, needed = {stage.name for stage in stages}, trained_stages(plan.named[decoder])
        for position, name in enumerate(needed):
            if name not in there:
                variant = plan.tokenizer if plan.tokenizer and name == "rfsq" else plan.variant
                beside = plan.converted.for_training(name) if plan.converted else ()
                asked = (f"--config.seed={plan.seed}", *beside, *_start(plan, name))
                train = _command(plan, "train", name, variant, *asked)
                reads = (*read_by_all, *(before for before in needed[:position] if before not in read_by_all))
                stages.append(PipelineStage(name, plan.run_dir / name, train, is_trained, reads))
        for suite in plan.suites:
            stages += _evaluation(plan, decoder, suite)
    if len(plan.decoders) > 1:
        stages += [_report(plan, suite) for suite in plan.suites]
    return stages


def _command(plan: PipelinePlan, launcher: str, config: str, variant: str, *more: str) -> list[str]:
    call = [sys.executable, "-m", f"launch.{launcher}", "--config", f"configs/{config}.py:{variant}"]
    return [*call, f"--config.run_dir={plan.run_dir}", *more]


def _rendering(plan: PipelinePlan) -> list[str]:
    if not plan.render_devices:
        return []
    return [f"--config.render_devices={tuple(plan.render_devices)}".replace(" ", "")]


def _frames(plan: PipelinePlan) -> list[str]:
    return [] if plan.converted is None else [plan.converted.for_collection]


def _start(plan: PipelinePlan, name: str) -> list[str]:
    """What a training is told of the part before it."""
    if not plan.start_from:
        return []
    start = f"--config.start_from={plan.start_from}"
    if name == "rfsq":  # which is kept: one step writes it down
        return [start, "--config.training.steps=1", "--config.training.warmup_steps=0"]
    has_draft_policy = StageCheckpoints(named_run(plan.start_from) / name).find("best") is not None
    return [start] if name in TRAINED_STAGES or (name == "draft_policy" and has_draft_policy) else []


def _collection(plan: PipelinePlan, suite: str) -> PipelineStage:
    asked = (f"--config.seed={plan.seed}", *_frames(plan), *_rendering(plan))
    record = _command(plan, "collect", "demos", plan.demos_variant_of(suite), *asked)
    name, folder = of_suite("collect", plan.tag(suite)), plan.run_dir / DEMOS_FOLDER / suite
    return PipelineStage(name, folder, record, has_all_demos, ())


def _correction(plan: PipelinePlan, suite: str) -> PipelineStage:
    corrected = f"--config.takeover.policy_of={plan.corrections_of}"
    asked = (f"--config.seed={plan.seed}", corrected, *_frames(plan), *_rendering(plan))
    record = _command(plan, "collect", "corrections", plan.variant_of(suite), *asked)
    name, folder = of_suite("correct", plan.tag(suite)), plan.run_dir / DEMOS_FOLDER / corrections_folder(suite)
    return PipelineStage(name, folder, record, has_all_demos, ())


def _evaluate(plan: PipelinePlan, decoder: str, suite: str, *more: str) -> list[str]:
    asked = (f"--config.decoder={decoder}", *_rendering(plan), *more)
    return _command(plan, "evaluate", "libero_eval", plan.variant_of(suite), *asked)


def _evaluate_on_all(plan: PipelinePlan, decoder: str, suite: str, *more: str) -> list[str]:
    chosen = [f"--config.output={evaluation_folder(decoder, plan.decoders, plan.tag(suite))}"]
    if written := plan.settings.get(decoder, ""):
        chosen.append(f"--config.decoder_settings={written}")
    elif decoder == CASCADE and plan.calibration is not None:
        chosen.append(f"--config.calibration={plan.calibration.name(plan.tag(suite))}")
    return _evaluate(plan, decoder, suite, *chosen, *more)


def _evaluation(plan: PipelinePlan, decoder: str, suite: str) -> list[PipelineStage]:
    """The evaluation of a suite by `decoder`, and what belongs before and behind it."""
    output, trained = evaluation_folder(decoder, plan.decoders, plan.tag(suite)), trained_stages(plan.named[decoder])
    name, folder = output.replace(HEADLINE, "evaluate", 1), plan.run_dir / output
    line = _evaluate_on_all(plan, decoder, suite)
    if decoder != CASCADE or plan.calibration is None or plan.settings.get(CASCADE):
        finished = partial(has_all_episodes, decoder=plan.named[decoder])
        return [PipelineStage(name, folder, line, finished, trained)]
    evaluate, tag = partial(_evaluate, plan, decoder, suite), plan.tag(suite)
    stages = calibration_stages(plan.calibration, plan.run_dir, evaluate, trained, tag)
    reads = (*trained, *(stage.name for stage in stages.fit))
    fitted = partial(has_all_episodes_as_fitted, plan=plan.calibration, run_dir=plan.run_dir, suite=tag)
    return [*stages.fit, PipelineStage(name, folder, line, fitted, reads), *stages.check]


def _report(plan: PipelinePlan, suite: str) -> PipelineStage:
    headline, *others = (evaluation_folder(decoder, plan.decoders, plan.tag(suite)) for decoder in plan.decoders)
    compared = f"--config.compare_with={tuple(others)}".replace(" ", "")
    return PipelineStage(
        of_suite("report", plan.tag(suite)),
        plan.run_dir / headline / COMPARISONS_NAME,
        _evaluate_on_all(plan, plan.decoders[0], suite, compared),
        partial(compares_with, others=others),
    )


def named_decoders(decoders: Sequence[str], settings: Mapping[str, str]) -> dict[str, Decoder]:
    """The decoders of a pipeline by name, each with its settings.

    Args:
        decoders: their names.
        settings: of some of them, by name, as `read_decoder` takes them; the others have their defaults.

    Raises:
        ValueError: an unknown decoder or setting, or settings of a decoder that is none of `decoders`.
    """
    if unused := [name for name, written in settings.items() if written and check_decoder(name) not in decoders]:
        raise ValueError(
            f"decoder_settings has settings of {', '.join(unused)}, and decoders={tuple(decoders)}: settings are of "
            "decoders that are evaluated; add the decoder there, or take its settings away"
        )
    return {name: read_decoder(name, settings.get(name, "")) for name in decoders}


def trained_stages(decoder: Decoder) -> tuple[str, ...]:
    """What is trained in order before `decoder` is evaluated: what is always there, and what it needs beside."""
    groups = [group for group in (CASCADE_STAGES, EARLY_EXIT_STAGES) if set(decoder.stages) & set(group)]
    return (*TRAINED_STAGES, *chain(*groups))

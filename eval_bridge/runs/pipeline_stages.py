"""The stages of a run: their commands, what they leave, and how one sees that it is all there."""

import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from types import MappingProxyType

from eval_bridge.policies.cascade import CASCADE
from eval_bridge.policies.decoder_interface import Decoder
from eval_bridge.policies.decoders import check_decoder, read_decoder
from eval_bridge.runs.calibration_stages import CalibrationPlan, calibration_stages, has_all_episodes_as_fitted
from eval_bridge.runs.finished_evaluations import compares_with, has_all_episodes
from eval_bridge.runs.stage_process import PipelineStage
from eval_bridge.runs.training import is_trained
from rsd_jax.run_folder import (
    CASCADE_STAGES,
    COMPARISONS_NAME,
    COMPLETE,
    DEMOS_FOLDER,
    EARLY_EXIT_STAGES,
    HEADLINE,
    TRAINED_STAGES,
    evaluation_folder,
)

NO_SETTINGS: Mapping[str, str] = MappingProxyType({})
"""Every decoder with its defaults."""


def stages_of(
    run_dir: Path,
    variant: str,
    seed: int,
    decoders: Sequence[str],
    settings: Mapping[str, str] = NO_SETTINGS,
    tokenizer: str = "",
    calibration: CalibrationPlan | None = None,
    render_devices: Sequence[int] = (),
) -> list[PipelineStage]:
    """The stages of a run in order, each with the command that makes its output.

    Args:
        run_dir: folder of the run.
        variant: of every stage's configuration.
        seed: of collection and training; the evaluation's belongs to its protocol, not to the run.
        decoders: each is evaluated on the same starts, in this order; the first is the headline. With several, a last
            stage writes its report again, with the comparisons.
        settings: of some of the decoders, by name, as `read_decoder` takes them; the others have their defaults.
        tokenizer: variant of the tokenizer's configuration; empty for `variant`.
        calibration: how the threshold of a cascade without settings of its own is fitted before it is evaluated; None
            for its default.
        render_devices: graphics devices, as EGL counts them, that collection and evaluations render on, in turn.

    Raises:
        ValueError: no decoder, one named twice, or an unknown one; or settings that `named_decoders` refuses.
    """
    if not decoders or len(set(decoders)) != len(decoders):
        raise ValueError(f"decoders={tuple(decoders)} must name at least one decoder, and each only once")
    named = named_decoders(decoders, settings)
    outputs = {decoder: evaluation_folder(decoder, decoders) for decoder in decoders}
    plan = None if settings.get(CASCADE) else calibration
    rendering = [f"--config.render_devices={tuple(render_devices)}".replace(" ", "")] if render_devices else []

    def command(launcher: str, config: str, *more: str) -> list[str]:
        chosen = tokenizer if tokenizer and config == "rfsq" else variant
        call = [sys.executable, "-m", f"launch.{launcher}", "--config", f"configs/{config}.py:{chosen}"]
        return [*call, f"--config.run_dir={run_dir}", *more]

    def evaluate(decoder: str, *more: str) -> list[str]:
        return command("evaluate", "libero_eval", f"--config.decoder={decoder}", *rendering, *more)

    def evaluate_on_all(decoder: str, *more: str) -> list[str]:
        chosen = [f"--config.output={outputs[decoder]}"]
        if written := settings.get(decoder, ""):
            chosen.append(f"--config.decoder_settings={written}")
        elif decoder == CASCADE and plan is not None:
            chosen.append(f"--config.calibration={plan.name}")
        return evaluate(decoder, *chosen, *more)

    def evaluation(decoder: str) -> list[PipelineStage]:
        """The evaluation by `decoder`, and what belongs before and behind it."""
        output, trained = outputs[decoder], trained_stages(named[decoder])
        name, folder, line = output.replace(HEADLINE, "evaluate"), run_dir / output, evaluate_on_all(decoder)
        if decoder != CASCADE or plan is None:
            finished = partial(has_all_episodes, decoder=named[decoder])
            return [PipelineStage(name, folder, line, finished, trained)]
        stages = calibration_stages(plan, run_dir, partial(evaluate, decoder), trained)
        reads = (*trained, *(stage.name for stage in stages.fit))
        fitted = partial(has_all_episodes_as_fitted, plan=plan, run_dir=run_dir)
        return [*stages.fit, PipelineStage(name, folder, line, fitted, reads), *stages.check]

    seeded = f"--config.seed={seed}"
    recording = command("collect", "demos", seeded, *rendering)
    collect = PipelineStage("collect", run_dir / DEMOS_FOLDER, recording, has_all_demos)
    stages = [collect]
    # What only one decoder needs is trained when it is its turn: the headline does not wait for it.
    for decoder in decoders:
        there, needed = {stage.name for stage in stages}, trained_stages(named[decoder])
        for position, name in enumerate(needed):
            if name not in there:
                reads, train = (collect.name, *needed[:position]), command("train", name, seeded)
                stages.append(PipelineStage(name, run_dir / name, train, is_trained, reads))
        stages += evaluation(decoder)
    headline, *others = outputs.values()
    if not others:
        return stages
    report = PipelineStage(
        "report",
        run_dir / headline / COMPARISONS_NAME,
        evaluate_on_all(decoders[0], f"--config.compare_with={tuple(others)}".replace(" ", "")),
        partial(compares_with, others=others),
    )
    return [*stages, report]


def named_decoders(decoders: Sequence[str], settings: Mapping[str, str] = NO_SETTINGS) -> dict[str, Decoder]:
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


def share_demos(run_dir: Path, source: str) -> None:
    """Lets the run in `run_dir` use the demonstrations of the run in `source`, by a link; nothing if that is empty.

    Raises:
        ValueError: `source` has no complete demonstrations, or `run_dir` has others.
        OSError: the link cannot be made.
    """
    if not source:
        return
    demos, link = Path(source) / DEMOS_FOLDER, run_dir / DEMOS_FOLDER
    if not has_all_demos(demos):
        raise ValueError(
            f"demos={source!r}: {demos} holds no complete collection; finish it "
            f"(python -m launch.pipeline ... --config.run_dir={source} --config.until_stage=collect)"
        )
    if link.exists() and link.resolve() != demos.resolve():
        raise ValueError(f"demos={source!r} is asked, and {link} holds other demonstrations: name another run_dir")
    if not link.exists():
        run_dir.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)  # a link to what is gone
        link.symlink_to(os.path.relpath(demos, run_dir), target_is_directory=True)


def has_all_demos(output: Path) -> bool:
    """Whether a collection is complete."""
    return any(output.glob(f"*/{COMPLETE}"))

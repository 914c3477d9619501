"""The stages of a run: their commands, what they leave, and how one sees that it is all there."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from types import MappingProxyType

from eval_bridge.policies.decoder_interface import Decoder
from eval_bridge.policies.decoders import check_decoder, read_decoder
from eval_bridge.runs.stage_process import PipelineStage
from eval_bridge.runs.training import is_trained
from rsd_jax.content_check import read_checked_json
from rsd_jax.run_folder import (
    CASCADE_STAGES,
    COMPARISONS_NAME,
    COMPLETE,
    DEMOS_FOLDER,
    EARLY_EXIT_STAGES,
    HEADLINE,
    REPORT_NAME,
    SUMMARY_NAME,
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

    Raises:
        ValueError: no decoder, one named twice, or an unknown one; or settings that `named_decoders` refuses.
    """
    if not decoders or len(set(decoders)) != len(decoders):
        raise ValueError(f"decoders={tuple(decoders)} must name at least one decoder, and each only once")
    named = named_decoders(decoders, settings)
    outputs = {decoder: evaluation_folder(decoder, decoders) for decoder in decoders}

    def command(launcher: str, config: str, *more: str) -> list[str]:
        chosen = tokenizer if tokenizer and config == "rfsq" else variant
        call = [sys.executable, "-m", f"launch.{launcher}", "--config", f"configs/{config}.py:{chosen}"]
        return [*call, f"--config.run_dir={run_dir}", *more]

    def evaluate(decoder: str, *more: str) -> list[str]:
        chosen = [f"--config.decoder={decoder}", f"--config.output={outputs[decoder]}"]
        if written := settings.get(decoder, ""):
            chosen.append(f"--config.decoder_settings={written}")
        return command("evaluate", "libero_eval", *chosen, *more)

    seeded = f"--config.seed={seed}"
    collect = PipelineStage("collect", run_dir / DEMOS_FOLDER, command("collect", "demos", seeded), has_all_demos)
    trained = trained_stages(list(named.values()))
    trainings = [PipelineStage(name, run_dir / name, command("train", name, seeded), is_trained) for name in trained]
    evaluations = [
        PipelineStage(
            output.replace(HEADLINE, "evaluate"),
            run_dir / output,
            evaluate(decoder),
            partial(_has_all_episodes, decoder=named[decoder]),
            trained,
        )
        for decoder, output in outputs.items()
    ]
    headline, *others = outputs.values()
    if not others:
        return [collect, *trainings, *evaluations]
    report = PipelineStage(
        "report",
        run_dir / headline / COMPARISONS_NAME,
        evaluate(decoders[0], f"--config.compare_with={tuple(others)}".replace(" ", "")),
        partial(_compares_with, others=others),
    )
    return [collect, *trainings, *evaluations, report]


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


def trained_stages(decoders: Sequence[Decoder]) -> tuple[str, ...]:
    """The stages that a run with these `decoders` trains: all that are always there, and what some decoders need."""
    needed = {stage for decoder in decoders for stage in decoder.stages}
    groups = [group for group in (CASCADE_STAGES, EARLY_EXIT_STAGES) if needed & set(group)]
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


def _has_all_episodes(output: Path, decoder: Decoder) -> bool:
    if not (output / SUMMARY_NAME).is_file() or not (output / REPORT_NAME).is_file():
        return False
    summary = read_checked_json(output / SUMMARY_NAME)
    # Summaries of a time without them tell no settings; where there were some, the log has them.
    evaluated = read_decoder(summary["decoder"], summary.get("decoder_settings", ""))
    return bool(evaluated == decoder and summary["episodes"] == summary["planned"])


def _compares_with(output: Path, others: Sequence[str]) -> bool:
    if not output.is_file():
        return False
    try:
        return {each["first"]["name"] for each in json.loads(output.read_bytes())} == set(others)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{output} is damaged ({error!r}); move it away: it is made again from the logs") from error

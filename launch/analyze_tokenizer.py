"""Compares action tokenizers: trains every variant and baseline on one run's demonstrations and measures them.

    python -m launch.analyze_tokenizer --config configs/tokenizer_analysis.py --config.run_dir=runs/NAME

Needs the run's demonstrations and policy. Writes the figures and a page with plots; run again, it goes on where it
stopped. docs/tokenizer.md says what the figures mean.
"""

import json
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict
from tqdm import tqdm

from eval_bridge.report.markdown import renew
from eval_bridge.report.tokenizer.page import write_page
from eval_bridge.report.tokenizer.table import document_table, terminal_table
from launch.config_flags import load_config, run
from rsd_jax.atomic_files import write_json
from rsd_jax.checkpoints.metadata import json_value
from rsd_jax.content_check import read_checked_json, write_checked_json
from rsd_jax.registry import to_dataclass
from rsd_jax.stored_models import load_policy
from rsd_jax.tokenizer_analysis.head_probe import ProbeSettings
from rsd_jax.tokenizer_analysis.measuring import Variant, plan_measurements
from rsd_jax.tokenizer_analysis.results import Record, as_record
from rsd_jax.tokenizer_analysis.rows import load_rows
from rsd_jax.training.configuration import TrainingConfig
from rsd_jax.training.stages import settings_of
from rsd_jax.training.stages.rfsq import RfsqSettings


def main(config: ConfigDict) -> None:
    """Measures all tokenizers that `config` names and writes the results."""
    run_dir = Path(config.run_dir)
    folder = run_dir / "tokenizer_analysis"
    throughput = json.loads(Path(config.throughput).read_text()) if config.throughput else None
    policy = load_policy(run_dir)
    variants = {name: _variant(name, config.tokenizer_steps) for name in config.variants}
    settings = variants[config.variants[0]].settings
    rows = load_rows(
        run_dir,
        policy,
        folder / "rows.safetensors",
        chunk_length=settings.chunk_length,
        smallest_half_range=settings.smallest_half_range,
        action_range=settings.action_range,
    )
    work = plan_measurements(variants, _probe_settings(config), config.dct_scales, config.seeds, policy, rows)
    seeds: dict[str, list[Record]] = {}
    with tqdm(work, desc="tokenizers", unit="tokenizer") as bar:
        for name, seed, measure in bar:
            bar.set_postfix_str(f"{name}, seed {seed}")
            kept = folder / name / f"seed_{seed}" / "figures.json"
            if not kept.exists():
                kept.parent.mkdir(parents=True, exist_ok=True)
                write_checked_json(kept, json_value(measure(kept.parent)))
            seeds.setdefault(name, []).append({"seed": seed, **read_checked_json(kept)})
    results = as_record(
        seeds, policy, rows, default=config.default, head_steps=config.head_steps, throughput=throughput
    )
    target = Path(config.results)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_json(target, results)
    page = Path(config.page) if config.page else folder / "report.html"
    write_page(results, page)
    if config.document:
        document = Path(config.document)
        renew(document, "results", document_table(results, target, document))
    print(terminal_table(results))
    print("clipping at q01 and q99 would lose", " ".join(f"{x:.1e}" for x in results["data"]["quantile_clip_loss"]))
    clipped = results["data"]["clipped_fraction"]
    print(f"beyond the range, and clipped: {clipped['labels']:.3%} of labels, {clipped['executed']:.3%} as executed")
    print(f"\n{target}\n{page}")


def _variant(name: str, steps: int) -> Variant:
    """A variant of ``configs/rfsq.py``, trained for another number of steps unless that is 0."""
    _, config = load_config(f"configs/rfsq.py:{name}")
    if steps and config.training.steps > 1:
        config.unlock()
        if "freeze_after" in config.model.quantizer:
            config.model.quantizer.freeze_after = steps * config.model.quantizer.freeze_after // config.training.steps
        _set_steps(config.training, steps)
    return Variant(to_dataclass(RfsqSettings, config.model), to_dataclass(TrainingConfig, config.training, seed=0))


def _probe_settings(config: ConfigDict) -> ProbeSettings:
    found: list[Any] = []
    for source in (config.draft, config.main_head):
        _, head = load_config(source)
        head.unlock()
        head.training.batch_size = config.head_batch_size
        _set_steps(head.training, config.head_steps)
        if head.stage == "draft":
            head.model.draft_layers = config.draft_layers
        found.append(to_dataclass(settings_of(head.stage), head.model))
        found.append(to_dataclass(TrainingConfig, head.training, seed=0))
    return ProbeSettings(*found)


def _set_steps(training: ConfigDict, steps: int) -> None:
    """Another length, judged and saved once, at the end."""
    training.warmup_steps = min(training.warmup_steps, steps // 10)
    training.steps = training.evaluate_every = training.checkpoint_every = steps


if __name__ == "__main__":
    run(main)

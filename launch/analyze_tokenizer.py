"""Compares action tokenizers: trains every variant and baseline on one run's demonstrations and measures them.

    python -m launch.analyze_tokenizer --config configs/tokenizer_analysis.py --config.run_dir=runs/NAME

Needs the run's demonstrations and policy. Writes the figures and a page with plots; run again, it goes on where it
stopped. docs/tokenizer.md says what the figures mean.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict
from tqdm import tqdm

from eval_bridge.evidence.figures_in_words import renew
from eval_bridge.report.tokenizer.page import write_page
from eval_bridge.report.tokenizer.table import markdown_table
from launch.config_flags import load_config, run, to_dataclass
from rsd_jax.atomic_files import write_json
from rsd_jax.checkpoints.metadata import git_commit, json_value, library_versions
from rsd_jax.distributed.mesh import MeshConfig, make_mesh
from rsd_jax.rfsq import RfsqTokenizer
from rsd_jax.rfsq.baselines import DctBpe, UniformBins
from rsd_jax.stored_models import StoredPolicy, load_policy
from rsd_jax.tokenizer_analysis.baseline_measures import measure_bins, measure_dct_bpe
from rsd_jax.tokenizer_analysis.head_probe import ProbeSettings, probe
from rsd_jax.tokenizer_analysis.measures import forward_minus_token_mse, measure, quantile_clip_loss
from rsd_jax.tokenizer_analysis.rows import AnalysisRows, load_rows
from rsd_jax.training.configuration import TrainingConfig
from rsd_jax.training.stages import settings_of
from rsd_jax.training.stages.rfsq import RfsqSettings, rfsq_stage
from rsd_jax.training.train_loop import train

Record = dict[str, Any]

CONFIGS = Path(__file__).parents[1] / "configs"
BINS = "openvla_bins"


def main(config: ConfigDict) -> None:
    """Measures all tokenizers that `config` names and writes the results."""
    run_dir = Path(config.run_dir)
    folder = run_dir / "tokenizer_analysis"
    policy = load_policy(run_dir)
    settings = _rfsq_settings(config.variants[0])[0]
    rows = load_rows(
        run_dir,
        policy,
        folder / "rows.safetensors",
        chunk_length=settings.chunk_length,
        smallest_half_range=settings.smallest_half_range,
    )
    work = _plan(config, policy, rows)
    seeds: dict[str, list[Record]] = {}
    with tqdm(work, desc="tokenizers", unit="tokenizer") as bar:
        for name, seed, make in bar:
            bar.set_postfix_str(f"{name}, seed {seed}")
            kept = folder / name / f"seed_{seed}" / "figures.json"
            if not kept.exists():
                kept.parent.mkdir(parents=True, exist_ok=True)
                write_json(kept, json_value(make(kept.parent, seed)))
            seeds.setdefault(name, []).append({"seed": seed, **json.loads(kept.read_text())})
    results = _results(config, policy, rows, seeds)
    target = Path(config.results)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_json(target, results)
    page = Path(config.page) if config.page else folder / "report.html"
    write_page(results, page)
    if config.document:
        renew(Path(config.document), "results", markdown_table(results, config.results))
    print(table(results))
    print("clipping at q01 and q99 would lose", " ".join(f"{x:.1e}" for x in results["data"]["quantile_clip_loss"]))
    print(f"\n{target}\n{page}")


def _plan(
    config: ConfigDict, policy: StoredPolicy, rows: AnalysisRows
) -> list[tuple[str, int, Callable[[Path, int], Record]]]:
    """What to measure: name, seed, and how."""
    mesh = make_mesh(MeshConfig())
    actions, normalizer = rows.actions, rows.actions.normalizer
    training_chunks = actions.train

    def rfsq(variant: str) -> Callable[[Path, int], Record]:
        def make(directory: Path, seed: int) -> Record:
            rfsq_settings, training = _rfsq_settings(variant, seed, config.tokenizer_steps)
            objective = rfsq_settings.objective()
            train(rfsq_stage(objective, actions), training, directory / "rfsq", mesh)
            tokenizer = RfsqTokenizer.load(directory / "rfsq")
            figures = measure(tokenizer, actions.heldout, actions.heldout_executed, seed)
            moving = np.asarray(figures.pop("moving"))
            trained = json.loads((directory / "rfsq" / "metrics.json").read_text())
            return {
                **figures,
                "forward_minus_token_mse": forward_minus_token_mse(objective, tokenizer, actions.heldout),
                "train_seconds": trained["training"]["seconds"],
                "train_steps": trained["training"]["steps"],
                "token_hash": tokenizer.token_hash,
                "head": probe(_probe_settings(config, seed), tokenizer, policy, rows, moving, directory, mesh),
            }

        return make

    def bins(directory: Path, seed: int) -> Record:
        del directory
        return measure_bins(UniformBins(normalizer, training_chunks.shape[1]), actions.heldout, seed)

    def dct(scale: float) -> Callable[[Path, int], Record]:
        def make(directory: Path, seed: int) -> Record:
            del directory
            return measure_dct_bpe(DctBpe.train(training_chunks, normalizer, scale), actions.heldout, seed)

        return make

    makers = {name: rfsq(name) for name in config.variants}
    makers |= {BINS: bins, **{f"dct_bpe_{scale:g}": dct(scale) for scale in config.dct_scales}}
    return [(name, seed, make) for name, make in makers.items() for seed in config.seeds]


def _rfsq_settings(variant: str, seed: int = 0, steps: int = 0) -> tuple[RfsqSettings, TrainingConfig]:
    _, config = load_config(f"{CONFIGS / 'rfsq.py'}:{variant}")
    if steps and config.training.steps > 1:
        config.unlock()
        if "freeze_after" in config.model.quantizer:
            config.model.quantizer.freeze_after = steps * config.model.quantizer.freeze_after // config.training.steps
        _set_steps(config.training, steps)
    return to_dataclass(RfsqSettings, config.model), to_dataclass(TrainingConfig, config.training, seed=seed)


def _probe_settings(config: ConfigDict, seed: int) -> ProbeSettings:
    found: list[Any] = []
    for source in (config.draft, config.main_head):
        _, head = load_config(source if Path(source.partition(":")[0]).is_file() else str(CONFIGS.parent / source))
        head.unlock()
        head.training.batch_size = config.head_batch_size
        _set_steps(head.training, config.head_steps)
        found.append(to_dataclass(settings_of(head.stage), head.model))
        found.append(to_dataclass(TrainingConfig, head.training, seed=seed))
    return ProbeSettings(*found)


def _set_steps(training: ConfigDict, steps: int) -> None:
    """Another length, judged and saved once, at the end."""
    training.warmup_steps = min(training.warmup_steps, steps // 10)
    training.steps = training.evaluate_every = training.checkpoint_every = steps


def _results(config: ConfigDict, policy: StoredPolicy, rows: AnalysisRows, seeds: dict[str, list[Record]]) -> Record:
    throughput = None
    if config.throughput:
        report = json.loads(Path(config.throughput).read_text())
        throughput = {**fastest(report["results"], config.default), **report}
    return {
        "default": config.default,
        "variants": {name: {**mean_record(records), "seeds": records} for name, records in seeds.items()},
        "data": {
            **rows.facts,
            "quantile_clip_loss": quantile_clip_loss(rows.actions.train_labels, rows.actions.heldout),
        },
        "policy_hash": policy.params_hash,
        "head_steps": config.head_steps,
        "throughput": throughput,
        "device": jax.devices()[0].device_kind,
        "commit": git_commit(),
        "versions": library_versions(),
        "seeds": list(config.seeds),
    }


def fastest(cases: list[Record], default: str) -> Record:
    """Chunks per second at the smallest size measured: of the default, and the best of each competitor's forms."""
    names = {"ours": f"rsd_jax {default}", "original": "original", "residual_fsq": "ResidualFSQ"}
    smallest = min(case["chunks"] for case in cases)
    result: Record = {"chunks": smallest}
    for short, name in names.items():
        for operation, suffix in (("encode", ""), ("decode", "_decode")):
            speeds = [
                case["chunks_per_second"]
                for case in cases
                if case["chunks"] == smallest
                and case["operation"] == operation
                and case["implementation"].startswith(name)
            ]
            result[f"{short}_chunks_per_s{suffix}"] = max(speeds, default=None)
    return result


def mean_record(records: list[Record]) -> Record:
    """Means over the seeds of everything that is a number, element by element; the rest as in the first."""

    def mean(*values: Any) -> Any:
        first = values[0]
        if isinstance(first, dict):
            return {key: mean(*(value[key] for value in values)) for key in first}
        if isinstance(first, list):
            return [mean(*items) for items in zip(*values, strict=True)]
        if all(isinstance(value, int | float) for value in values):
            return float(np.mean(values))
        return first

    return {key: mean(*(record[key] for record in records)) for key in records[0] if key not in ("seed", "token_hash")}


def table(results: Record) -> str:
    """The main figures, a line a tokenizer."""
    header = f"{'':<16}{'error':>10}{'forward':>9}{'flips 1e-3':>12}{'1e-2':>8}{'bits':>7}{'draft':>8}{'main':>8}"
    lines = [header]
    for name, figures in results["variants"].items():
        head = figures.get("head", {})
        marked = f"{name} *" if name == results["default"] else name
        lines.append(
            f"{marked:<16}{figures['token_mse_by_layer'][-1]:>10.2e}"
            f"{figures.get('forward_minus_token_mse', float('nan')):>9.1e}"
            f"{figures['flips']['1e-3']:>12.2%}{figures['flips']['1e-2']:>8.1%}{figures['bits_per_step']:>7.1f}"
            f"{_percent(head.get('draft_l0_l2'))}{_percent(head.get('main_l3_l7'))}"
        )
    return "\n".join(lines)


def _percent(value: float | None) -> str:
    return f"{'-':>8}" if value is None else f"{value:>8.1%}"


if __name__ == "__main__":
    run(main)

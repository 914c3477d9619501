"""All decoders of a run timed in turns, one batch size after the other, in one process."""

import dataclasses
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax

from eval_bridge.decoding_benchmark.contender import BEFORE, LOOKING_STAGE, Contender, Material, in_turn, material_of
from eval_bridge.decoding_benchmark.cost_model import Passes, ceiling
from eval_bridge.decoding_benchmark.decoding_facts import equal_chunks
from eval_bridge.decoding_benchmark.empty_calls import empty_chunk, nothing_of
from eval_bridge.decoding_benchmark.loading import load_contenders
from eval_bridge.decoding_benchmark.observations import Seen, calls_of_batch, of_demonstrations, of_patchwork
from eval_bridge.decoding_benchmark.rows import BatchMeasurement, Row, latencies_to_json
from eval_bridge.decoding_benchmark.settings import BenchmarkSettings, Entry
from eval_bridge.decoding_benchmark.unfinished import UnfinishedBenchmark
from eval_bridge.policies.compiled_policy import CompiledPolicy, LoadedModels
from eval_bridge.policies.decoder_models import Models
from eval_bridge.policies.interface import FUSED_STAGE, PASS_STAGES, SKIPPED_STAGE
from eval_bridge.policies.latency import Latency, measure_interleaved, with_sum
from eval_bridge.policies.stage_timing import CompiledParts, compiled
from rsd_jax.provenance import device_name, git_commit, library_versions

EMPTY_DECODER, EMPTY_CHUNK = "decoder", "chunk"
"""Calls that compute nothing, by the stage whose arguments they have."""

_SHARED = ""
"""In place of a decoder's label: programs that all decoders of a batch size have in common."""


def run_benchmark(settings: BenchmarkSettings, unfinished: Path, tell: Callable[[str], None]) -> dict[str, Any]:
    """Measures everything, and returns what ``results/decoding_DEVICE.json`` holds.

    Args:
        settings: what is measured.
        unfinished: file in which batch sizes that are done are kept: an interrupted benchmark goes on. Whoever has
            written the results down deletes it.
        tell: takes a line whenever a decoder is compiled or a batch size is done.

    Raises:
        CheckpointError: the run lacks a stage that the baseline needs, or one is damaged.
        ValueError: demonstrations are missing or damaged.
    """
    models, not_run = load_contenders(settings)
    baseline = models[settings.entries[0].label]
    backbone = baseline.networks.policy.backbone
    needs = backbone.observation_needs
    if settings.demos:
        seen = of_demonstrations(settings.demos, settings.observations, needs, backbone.chunk_length)
    else:
        seen = of_patchwork(settings.observations, needs)
    for each in not_run:
        tell(f"left out: {each.decoder} {each.settings}: {each.reason}")
    entries = [entry for entry in settings.entries if entry.label in models]
    by_whom = {
        "checkpoint": {"run": settings.checkpoint_name, "policy_hash": baseline.networks.policy.params_hash},
        "commit": git_commit(),
        "versions": library_versions(),
        "device": device_name(),
    }
    identity = {"settings": dataclasses.asdict(settings), "left_out": [each.reason for each in not_run], **by_whom}
    so_far = UnfinishedBenchmark(unfinished, identity)
    for batch, repeats in zip(settings.batches, settings.repeats, strict=True):
        if batch in so_far.measured:
            tell(f"batch {batch}: measured before, in {unfinished}")
        else:
            so_far.keep(batch, measure_batch(entries, models, seen, batch, repeats, settings, tell))
    measured = {batch: so_far.measured[batch] for batch in settings.batches}
    return {
        "rows": [row.to_json() for each in measured.values() for row in each.rows],
        "baseline": settings.entries[0].label,
        "not_run": [each._asdict() for each in not_run],
        "inputs": {
            "source": "demonstrations" if settings.demos else "patchwork",
            "observations": len(seen),
            "episodes": sum(each.is_first for each in seen),
        },
        "repeats": {str(batch): repeats for batch, repeats in zip(settings.batches, settings.repeats, strict=True)},
        "calls_a_turn": settings.calls_a_turn,
        "empty_ms": {str(batch): latencies_to_json(each.empty) for batch, each in measured.items()},
        "passes_ms": {str(batch): latencies_to_json(each.passes) for batch, each in measured.items()},
        **by_whom,
    }


def measure_batch(
    entries: Sequence[Entry],
    models: Mapping[str, LoadedModels],
    seen: Sequence[Seen],
    batch: int,
    repeats: int,
    settings: BenchmarkSettings,
    tell: Callable[[str], None],
) -> BatchMeasurement:
    """Times all stages of all decoders, of which the first is the baseline, at one batch size.

    What several decoders have in common, one program times for all of them.
    """
    started = time.perf_counter()
    of_baseline = models[entries[0].label]
    parts = CompiledParts(entries[0].decoder, *of_baseline)
    policy = CompiledPolicy(entries[0].decoder, of_baseline, batch)
    material = material_of(calls_of_batch(seen, batch, BEFORE), policy, parts.backbone)

    def contend(entry: Entry) -> Contender:
        made = Contender(entry, models[entry.label], material)
        tell(f"batch {batch}: {entry.label} compiled in {made.compile_s:.1f} s")
        return made

    # Compilers take most of the time, and other cores stand idle while one works. Nothing is timed meanwhile, but on a
    # GPU compilers choose kernels by trials, which what runs beside may disturb: XLA warns of those it noticed.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        contenders = list(pool.map(contend, entries))
        calls = {(_SHARED, stage): call for stage, call in _shared_calls(policy, parts, material).items()}
        nothing = compiled(of_baseline.networks, parts.head_arrays, nothing_of, keep_unused=True)
        calls |= {
            ("empty", EMPTY_DECODER): in_turn(nothing, material.features),
            ("empty", EMPTY_CHUNK): in_turn(empty_chunk(of_baseline, batch), material.requests),
        }
        calls |= {(each.entry.label, stage): call for each in contenders for stage, call in each.calls.items()}
        jax.block_until_ready(list(pool.map(lambda call: call(), calls.values())))
    latencies = measure_interleaved(calls, repeats, settings.warm_up, calls_a_turn=settings.calls_a_turn)
    tell(f"batch {batch}: {len(calls)} calls timed, {time.perf_counter() - started:.0f} s in all")

    def of(label: str) -> dict[str, Latency]:
        return {stage: latency for (owner, stage), latency in latencies.items() if owner == label}

    shared, empty = of(_SHARED), of("empty")
    passes = {stage: shared.pop(stage) for stage in PASS_STAGES if stage in shared}
    num_layers = Models(*of_baseline).code_shape.num_layers
    cost = Passes.of(shared | passes, empty[EMPTY_DECODER], num_layers)
    rows = []
    for contender in contenders:
        own = of(contender.entry.label)
        # A decoder without tokens has nothing to decode them with.
        common = {
            stage: shared[stage] for stage in shared if stage != "detokenize" or contender.facts.rounds is not None
        }
        rows.append(_row(contender, batch, with_sum(common | own), cost, empty[EMPTY_DECODER], contenders[0]))
    return BatchMeasurement([_with_speedups(row, rows[0]) for row in rows], empty, passes)


def _shared_calls(policy: CompiledPolicy, parts: CompiledParts, material: Material) -> dict[str, Any]:
    assert parts.detokenize is not None
    tokens = jax.device_put([parts.decoder.found(features).tokens for features in material.features])
    return {
        "preprocess": in_turn(policy.preprocess, material.requests),
        "backbone": in_turn(parts.backbone, material.inputs),
        "detokenize": in_turn(parts.detokenize, tokens),
        **parts.passes(material.features[0], tokens[0]),
    }


def _row(
    contender: Contender,
    batch: int,
    stages: dict[str, Latency],
    cost: Passes,
    empty: Latency,
    baseline: Contender,
) -> Row:
    facts, decoder = contender.facts, contender.entry.decoder
    expected = stages[FUSED_STAGE].p50
    if {LOOKING_STAGE, SKIPPED_STAGE} <= set(stages):
        looking, skipped = stages[LOOKING_STAGE].p50, stages[SKIPPED_STAGE].p50
        expected = facts.looked_calls * looking + (1 - facts.looked_calls) * skipped
    draft_policy = max(stages["draft"].p50 - empty.p50, 0.0) if "draft" in stages else None
    at_best = ceiling(decoder, cost, contender.rounds_of_look, facts.looked_calls, draft_policy)
    equal = equal_chunks(contender.tokens, baseline.tokens) if contender.tokens and baseline.tokens else None
    return Row(
        decoder=decoder.name,
        settings=contender.entry.settings,
        batch=batch,
        stages_ms=stages,
        decoder_ms_p50=stages["decoder"].p50,
        chunk_ms_p50=stages[FUSED_STAGE].p50,
        chunk_ms_expected=expected,
        **facts._asdict(),
        tokens_equal=equal,
        ceiling=at_best.chunk,
        ceiling_decoder=at_best.decoder,
        compile_s=contender.compile_s,
    )


def _with_speedups(row: Row, baseline: Row) -> Row:
    assert baseline.chunk_ms_expected is not None
    assert row.chunk_ms_expected is not None
    return dataclasses.replace(
        row,
        speedup_decoder=baseline.decoder_ms_p50 / row.decoder_ms_p50,
        speedup_chunk=baseline.chunk_ms_expected / row.chunk_ms_expected,
    )

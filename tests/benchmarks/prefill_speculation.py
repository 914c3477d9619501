"""Times speculation in the prefill of a 7B main model: random weights, replayed acceptance.

    python -m tests.benchmarks.prefill_speculation --shape 7b --out speculation.json
    JAX_PLATFORMS=cpu python -m tests.benchmarks.prefill_speculation --shape tiny --repeats 5 --out speculation.json

Two codes: RFSQ layers, one pass of 56 slots each, with two images and the robot's state; and the 256 bins of plain
OpenVLA, 56 words one after the other, with one image. Each is decoded as it would be without drafts, with the same
cache, and speculatively, by drafts that are right with a given chance. No model of this kind has been trained, so that
a draft's true acceptance is unknown: what comes out is a curve over it, and its break-even and ceiling. Inputs lie on
the device, and drafts cost what `--draft-ms` says.
"""

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eval_bridge.policies.compiler_options import compiler_options
from rsd_jax.backbones.openvla.backbone import NetworkInputs
from rsd_jax.backbones.openvla.digit_network import DigitMain
from rsd_jax.decoding import speculative
from rsd_jax.provenance import device_name, git_commit, library_versions
from tests.benchmarks.prefill_subjects import SHAPES, Subject, bins_256, random_parameters, rfsq_layers
from tests.benchmarks.replayed_acceptance import ReplayedAcceptance, blank_draft, break_even

ACCEPTANCES = [0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 1.0]
ACCEPTANCE_FROM = "random weights, replayed acceptance"


def main() -> None:
    arguments = parsed_arguments()
    params = random_parameters(arguments.shape)
    report: dict[str, Any] = {
        "rows": [],
        "acceptance_curves": [],
        "commit": git_commit(),
        "versions": library_versions(),
        "device": device_name(),
    }
    layers = rfsq_layers(arguments.shape, arguments.batch, arguments.mode_locked)
    subjects = [(layers, arguments.draft_layers)]
    if not arguments.without_bins:
        bins = bins_256(arguments.shape, arguments.batch)
        subjects.append((bins, [bins.network.code.num_layers]))
    for subject, draft_layers in subjects:
        for key, entry in measured(subject, params, draft_layers, arguments):
            report[key].append(entry)
            print(json.dumps(entry), flush=True)
            arguments.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def parsed_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write, anew after every figure")
    parser.add_argument("--shape", choices=tuple(SHAPES), default="7b")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--draft-layers", type=int, nargs="+", default=[1, 2, 3, 7], help="RFSQ layers a round")
    parser.add_argument("--draft-ms", type=float, default=0.0, help="added to every round in the curves")
    parser.add_argument("--mode-locked", action="store_true", help="slots see all coarser slots; layers as units")
    parser.add_argument("--without-bins", action="store_true")
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--traces", type=int, default=20, help="random traces at every acceptance")
    return parser.parse_args()


def measured(subject: Subject, params: Any, draft_layers: list[int], arguments: argparse.Namespace) -> Any:
    """A row of decoding without drafts, with its parts, and for each number of drafted layers a curve."""
    repeats = arguments.repeats
    serial_ms = milliseconds(partial(compiled(subject.serial), params, subject.inputs), repeats)
    calls = parts(subject, params, draft_layers, arguments.batch)
    stages_ms = {part: float(np.median(milliseconds(call, repeats))) for part, call in calls}
    yield "rows", row(subject, arguments, serial_ms, stages_ms)
    for drafted in draft_layers:
        yield "acceptance_curves", curve(subject, params, drafted, float(np.mean(serial_ms)), arguments)


def parts(subject: Subject, params: Any, draft_layers: list[int], batch: int) -> Any:
    """The prefill, alone and with drafts in its slots, and passes over slots behind it."""
    network, num_layers = subject.network, subject.network.code.num_layers
    tokens = jnp.zeros((batch, network.code.chunk_length, network.code.latent_dim, num_layers), jnp.int32)

    def prefill(params: Any, inputs: NetworkInputs, tokens: jax.Array, count: int) -> Any:
        return DigitMain(network, params)(inputs, None, tokens, 0, num_layers=count)

    def short_pass(cache: Any, params: Any, tokens: jax.Array, position: Any, count: int) -> Any:
        return DigitMain(network, params)(None, cache, tokens, position, num_layers=count)

    for drafted in (0, *draft_layers):
        count = min(drafted + 1, num_layers)
        given = params, subject.inputs, tokens
        call = partial(compiled(partial(prefill, count=count)), *given)
        yield f"prefill, {drafted} layers drafted" if drafted else "prefill", call
        if drafted and not subject.scores_all_layers:
            short, position = partial(short_pass, count=count), jnp.full(tokens.shape[:-1], num_layers // 2)
            name = f"pass over {count} layers of slots, columns at positions of their own"
        else:
            start = 1 if count < num_layers else 0
            short, position = partial(short_pass, position=start, count=count), None
            name = f"pass over {count} layers of slots"
        yield name, keeping(compiled(short, donate_argnums=0), call()[1], params, tokens, position)


def keeping(step: Callable[..., Any], cache: Any, params: Any, tokens: jax.Array, position: Any) -> Callable[[], Any]:
    """A call that hands its cache to the next one, and so can change it in place."""
    given = (params, tokens) if position is None else (params, tokens, position)

    def call() -> Any:
        nonlocal cache
        logits, cache = step(cache, *given)
        return logits

    return call


def curve(subject: Subject, params: Any, drafted: int, serial_ms: float, arguments: argparse.Namespace) -> Any:
    """Whole chunks by drafts that are right with every chance of `ACCEPTANCES`, on random traces of them."""
    shape, informative = subject.code_shape(drafted), subject.informative.T

    def decode(params: Any, inputs: NetworkInputs, keys: jax.Array, chance: jax.Array) -> jax.Array:
        main, rule = DigitMain(subject.network, params), ReplayedAcceptance(chance, informative)
        settings = {"keys": keys, "scores_all_layers": subject.scores_all_layers}
        result = speculative(inputs, blank_draft, main, rule, shape, arguments.batch, **settings)
        return result.tokens, result.rounds

    call, points = compiled(decode), []
    for acceptance in ACCEPTANCES:
        keys = jax.random.split(jax.random.key(round(1000 * acceptance)), (arguments.traces, arguments.batch))
        calls = [partial(call, params, subject.inputs, each, jnp.float32(acceptance)) for each in keys]
        jax.block_until_ready(calls[0]())
        times = [once(each) for each in calls]
        rounds = float(np.mean([each()[1].max() for each in calls]))
        mean = float(np.mean(times)) + rounds * arguments.draft_ms
        point = {"acceptance": acceptance, "rounds": rounds, "mean_ms": mean, "speed_up": serial_ms / mean}
        points.append(point)
    return {
        "code": subject.name,
        "drafted": drafted,
        "mode_locked": subject.network.code.is_mode_locked,
        "batch": arguments.batch,
        "acceptance_from": ACCEPTANCE_FROM,
        "draft_ms": arguments.draft_ms,
        "without_drafts_ms": serial_ms,
        "points": points,
        "break_even": break_even(ACCEPTANCES, [point["speed_up"] for point in points]),
        "ceiling": points[-1]["speed_up"],
    }


def compiled(function: Callable[..., Any], **settings: Any) -> Callable[..., Any]:
    return jax.jit(function, compiler_options=compiler_options(), **settings)


def once(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    jax.block_until_ready(call())
    return 1e3 * (time.perf_counter() - start)


def milliseconds(call: Callable[[], Any], repeats: int) -> list[float]:
    """Of every repeat, waited for, after two that are not counted."""
    return [once(call) for _ in range(2 + repeats)][2:]


def row(subject: Subject, arguments: argparse.Namespace, times: list[float], stages_ms: dict[str, float]) -> Any:
    p50, p90, p99 = np.percentile(times, [50, 90, 99])
    peak = (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    return {
        "implementation": "rsd_jax",
        "model": f"openvla_{arguments.shape}, {subject.name}, random weights",
        "decoder": "autoregressive",
        "batch": arguments.batch,
        "dtype": subject.backbone.compute_dtype,
        "exit_block": None,
        "devices": 1,
        "p50_ms": p50,
        "p90_ms": p90,
        "p99_ms": p99,
        "stages_ms": stages_ms,
        "peak_gib": peak and peak / 2**30,
        "acceptance_from": None,
    }


if __name__ == "__main__":
    main()

"""Times the PyTorch original's engine and adds its rows to what launch.benchmark measured on the same device.

    python -m tests.benchmarks.original_engine --results results/decoding_DEVICE.json

Its draft model, its conditional head, the comparison of their coarse tokens and the choice of all tokens, from
features on the device to tokens on the device: what `decoder` is in the other rows. Decoding them, with the copy to
the host, is `detokenize`. Eager, as the original runs, and compiled, where torch.compile runs. In a process of its
own: PyTorch's threads, which keep waiting for work, would slow down the calls behind theirs.
"""

import argparse
import dataclasses
import itertools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # JAX computes nothing here, and tells the device's name

import torch

from eval_bridge.decoding_benchmark.rows import Row
from eval_bridge.policies.latency import Latency, measure_interleaved
from eval_bridge.report.decoding_benchmark.page import write_page
from eval_bridge.report.decoding_benchmark.table import terminal_table
from rsd_jax.atomic_files import write_json
from rsd_jax.provenance import device_name, git_commit
from tests.benchmarks.original_heads import (
    CHUNK_LENGTH,
    COARSE_LAYERS,
    LATENT_DIM,
    NUM_LAYERS,
    OriginalConditionalHead,
    OriginalDraft,
)
from tests.parity.reference_rfsq import ReferenceRfsq

DECODER = "original_pytorch"
MODES = ("eager", "compiled")
NOT_RUNNING = (RuntimeError, ImportError, OSError, TypeError, ValueError)  # what a compiler that is missing raises


class OriginalEngine:
    """The original's way from features to actions, for any number of rows."""

    def __init__(self, features: int, device: str, mode: str = "eager"):
        torch.manual_seed(0)
        wrap = torch.compile(mode="reduce-overhead") if mode == "compiled" else (lambda module: module)
        self.draft = wrap(OriginalDraft(features).to(device).eval())
        self.main = wrap(OriginalConditionalHead(features).to(device).eval())
        self.tokenizer = ReferenceRfsq(normalizes=True).to(device).eval()

    def draft_tokens(self, features):
        """Coarse tokens ``[B, 3, C * D]``."""
        return self.draft(features).argmax(dim=-1)

    def find_tokens(self, features):
        """Tokens ``[B, C, D, L]`` and the share of coarse ones on which draft and main head agree.

        The share comes to the host, as the original has it; it decides nothing there either.
        """
        drafted = self.draft_tokens(features)
        condition = drafted.permute(0, 2, 1).reshape(-1, CHUNK_LENGTH, LATENT_DIM, COARSE_LAYERS)
        levels = self.main(features, condition).argmax(dim=-1)
        agreement = (drafted == levels[:, :COARSE_LAYERS]).float().mean().item()
        return levels.permute(0, 2, 1).reshape(-1, CHUNK_LENGTH, LATENT_DIM, NUM_LAYERS), agreement

    def actions(self, tokens):
        """Actions ``[B, C, 7]`` on the host."""
        return self.tokenizer.decode_from_indices(tokens).cpu().numpy()


def main():
    arguments = parsed_arguments()
    results = json.loads(arguments.results.read_text(encoding="utf-8"))
    if results["device"] != device_name():
        raise SystemExit(f"error: {arguments.results} is of {results['device']}, and this is {device_name()}")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    ours = [Row.from_json(row) for row in results["rows"] if row["decoder"] != DECODER]
    rows, not_run = list(ours), [each for each in results["not_run"] if each["decoder"] != DECODER]
    for batch in dict.fromkeys(row.batch for row in ours):
        repeats = arguments.repeats or results["repeats"][str(batch)]
        baseline = next(row for row in ours if row.batch == batch and row.label == results["baseline"])
        calls, failures = all_calls(arguments, batch, device)
        not_run += [each for each in failures if each not in not_run]
        with torch.inference_mode():
            latencies = measure_interleaved(calls, repeats, warm_up=5, calls_a_turn=results["calls_a_turn"])
        found = rows_of(latencies, batch)
        rows += [
            dataclasses.replace(row, speedup_decoder=baseline.decoder_ms_p50 / row.decoder_ms_p50) for row in found
        ]
        for row, other in itertools.product(found, (row for row in ours if row.batch == batch)):
            ratio = row.decoder_ms_p50 / other.decoder_ms_p50
            print(f"batch {batch}: {row.label} takes {ratio:.1f} times as long as {other.label}", flush=True)
    results |= {
        "rows": [row.to_json() for row in rows],
        "not_run": not_run,
        DECODER: {"commit": git_commit(), "torch": torch.__version__, "threads": torch.get_num_threads()},
    }
    write_json(arguments.results, results)
    write_page(results, arguments.results.with_suffix(".html"))
    print(f"\n{terminal_table(results)}\n\n{arguments.results}")


def parsed_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, required=True, help="file of launch.benchmark, which gets the rows")
    parser.add_argument(
        "--features", type=int, nargs="+", default=[2048, 4096],
        help="numbers of an observation: those of the shipped policy, all steps of a chunk, and the original's own",
    )  # fmt: skip
    parser.add_argument("--modes", choices=MODES, nargs="+", default=MODES)
    parser.add_argument("--repeats", type=int, help="timed turns; by default as many as of our decoders")
    return parser.parse_args()


def all_calls(
    arguments: argparse.Namespace, batch: int, device: str
) -> tuple[dict[tuple[str, str], Callable], list[dict]]:
    """Calls to time, by settings and stage, and what does not run here."""
    calls, not_run = {}, []
    for size, mode in itertools.product(arguments.features, arguments.modes):
        settings = f"features={size} mode={mode}"
        try:
            stages = dict(engine_calls(OriginalEngine(size, device, mode), size, batch, device))
            with torch.inference_mode():
                for _ in range(3):
                    for call in stages.values():
                        call()
        except NOT_RUNNING as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:300]
            not_run.append({"decoder": DECODER, "settings": settings, "reason": reason})
        else:
            calls |= {(settings, stage): call for stage, call in stages.items()}
    return calls, not_run


def engine_calls(engine: OriginalEngine, size: int, batch: int, device: str) -> Iterator[tuple[str, Callable]]:
    features = torch.randn(batch, size, device=device)
    with torch.inference_mode():
        tokens = engine.find_tokens(features)[0].clone()

    def synchronised(function: Callable[[Any], Any], argument: Any) -> Callable[[], None]:
        def call() -> None:
            function(argument)
            if device == "cuda":
                torch.cuda.synchronize()

        return call

    yield "draft_pass", synchronised(engine.draft_tokens, features)
    yield "decoder", synchronised(engine.find_tokens, features)
    yield "detokenize", synchronised(engine.actions, tokens)


def rows_of(latencies: dict[tuple[str, str], Latency], batch: int) -> list[Row]:
    """A row for each of the settings; what means nothing is left out."""
    by_settings: dict[str, dict[str, Latency]] = {}
    for (settings, stage), latency in latencies.items():
        by_settings.setdefault(settings, {})[stage] = latency
    return [
        Row(DECODER, settings, batch, stages, decoder_ms_p50=stages["decoder"].p50)
        for settings, stages in by_settings.items()
    ]


if __name__ == "__main__":
    main()

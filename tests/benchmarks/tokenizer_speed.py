"""Times tokenizers on one device: the PyTorch original, ResidualFSQ of vector-quantize-pytorch, and ours.

    python -m tests.benchmarks.tokenizer_speed --device cuda --out speed.json --chunks 16384 1048576

Everything is float32 and stays on the device; each repeat is waited for. Encoding ends in the tokens as the
implementation holds them (int64 in the original, int32 in ResidualFSQ, int8 in ours), and decoding starts from them.
No implementation is faster than the memory can deliver the actions and take the tokens as int8: that is the floor.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # the device is shared with PyTorch
if "cpu" in sys.argv:
    os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import numpy as np
import torch
from flax import linen as nn

from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.rfsq import MlpAutoencoder, RepetitionFrame, RfsqTokenizer
from rsd_jax.rfsq.autoencoders import Autoencoder
from rsd_jax.rfsq.residual_quantizer import QuantizerTable
from rsd_jax.rfsq.strategies import Nested, Staggered
from rsd_jax.rfsq.strategies.layer_statistics import initial_statistics, table_from_statistics, update_statistics
from tests.parity.reference_rfsq import ReferenceRfsq

CHUNK_LENGTH, ACTION_DIM, LATENT_DIM, NUM_LAYERS, NUM_LEVELS = 8, 7, 16, 8, 7
COPIED_BYTES = {"cuda": 2**30, "cpu": 2**26}
NOT_RUNNING = (RuntimeError, ImportError, OSError, TypeError, ValueError)  # what a compiler that is missing raises


@dataclass(frozen=True)
class Case:
    """One thing to time: `prepare` gives the operation without arguments for actions of one size."""

    implementation: str
    variant: str
    operation: str
    prepare: Callable[[np.ndarray], Callable[[], Any]]
    wait: Callable[[Any], None]


def main():
    arguments = parsed_arguments()
    copied = measured_copy(arguments)
    results, not_run = [], []
    for num_chunks in arguments.chunks:
        rng = np.random.default_rng(0)
        actions = rng.uniform(-1, 1, (num_chunks, CHUNK_LENGTH, ACTION_DIM)).astype(np.float32)
        for case in all_cases(arguments, not_run):
            name = {"implementation": case.implementation, "variant": case.variant, "operation": case.operation}
            try:
                seconds = repeated(case.prepare(actions), case.wait, arguments)
            except NOT_RUNNING as error:
                reason = f"{type(error).__name__}: {error}".splitlines()[0][:300]
                not_run.append({**name, "chunks": num_chunks, "reason": reason})
                print(f"{' '.join(name.values())}: not run, {reason}", flush=True)
            else:
                results.append({**name, **summary(seconds, num_chunks, copied["bytes_per_second"])})
                print(json.dumps(results[-1]), flush=True)
            report = {**surroundings(arguments), "copy": copied, "results": results, "not_run": not_run}
            arguments.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
            torch._dynamo.reset()
            if arguments.device == "cuda":
                torch.cuda.empty_cache()


def parsed_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--chunks", type=int, nargs="+", default=[16384, 1048576])
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--most-seconds", type=float, default=15.0, help="a case stops repeating after this long")
    parser.add_argument(
        "--tokenizer", action="append", default=[], metavar="NAME=PATH", help="a trained one: RUN/rfsq, or a file"
    )
    parser.add_argument("--torch-threads", type=int, help="on the CPU; PyTorch's own choice by default")
    arguments = parser.parse_args()
    if arguments.torch_threads:
        torch.set_num_threads(arguments.torch_threads)
    if arguments.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: PyTorch finds no GPU here")
    if jax.default_backend() != {"cuda": "gpu", "cpu": "cpu"}[arguments.device]:
        parser.error(f"--device {arguments.device}: JAX runs on {jax.default_backend()!r}")
    return arguments


def repeated(operation: Callable[[], Any], wait: Callable[[Any], None], arguments: argparse.Namespace) -> list[float]:
    """Seconds of each repeat, after three that are not counted."""
    for _ in range(3):
        wait(operation())
    seconds, end = [], time.perf_counter() + arguments.most_seconds
    while len(seconds) < arguments.repeats and (len(seconds) < 5 or time.perf_counter() < end):
        start = time.perf_counter()
        wait(operation())
        seconds.append(time.perf_counter() - start)
    return seconds


def summary(seconds: list[float], num_chunks: int, bytes_per_second: float) -> dict[str, Any]:
    p50, p99 = np.percentile(seconds, [50, 99])
    steps = num_chunks * CHUNK_LENGTH
    floor_bytes = steps * (ACTION_DIM * 4 + LATENT_DIM * NUM_LAYERS)
    return {
        "chunks": num_chunks,
        "repeats": len(seconds),
        "p50_ms": 1e3 * p50,
        "p99_ms": 1e3 * p99,
        "chunks_per_second": num_chunks / p50,
        "floor_bytes": floor_bytes,
        "floor_ms": 1e3 * floor_bytes / bytes_per_second,
        "times_floor": p50 * bytes_per_second / floor_bytes,
    }


def measured_copy(arguments: argparse.Namespace) -> dict[str, float]:
    """Bandwidth of a JAX program that reads one array and writes another of its size."""
    values = jnp.ones(COPIED_BYTES[arguments.device] // 4, jnp.float32)
    seconds = repeated(partial(jax.jit(jnp.negative), values), jax.block_until_ready, arguments)
    p50 = float(np.median(seconds))
    return {"array_bytes": values.nbytes, "p50_ms": 1e3 * p50, "bytes_per_second": 2 * values.nbytes / p50}


def surroundings(arguments: argparse.Namespace) -> dict[str, Any]:
    def version_of(package: str) -> str | None:
        try:
            return version(package)
        except PackageNotFoundError:
            return None

    packages = ("jax", "jaxlib", "torch", "vector-quantize-pytorch")
    return {
        "device": jax.devices()[0].device_kind,
        "python": platform.python_version(),
        "versions": {package: version_of(package) for package in packages},
        "torch_threads": torch.get_num_threads() if arguments.device == "cpu" else None,
        "torch_matmul_precision": torch.get_float32_matmul_precision(),
        "repeats": arguments.repeats,
    }


def all_cases(arguments: argparse.Namespace, not_run: list[dict[str, Any]]) -> Iterator[Case]:
    torch.manual_seed(0)
    for kind, normalizes in (("layernorm", True), ("naive", False)):
        yield from torch_cases(f"original {kind}", ReferenceRfsq(normalizes), arguments.device)
    yield from torch_cases(*residual_fsq(not_run), arguments.device)
    for name, tokenizer in our_tokenizers(arguments):
        yield from our_cases(f"rsd_jax {name}", tokenizer)


def torch_cases(name: str, model: torch.nn.Module, device: str) -> Iterator[Case]:
    """Encoding and decoding of a module, as written and compiled."""
    model = model.to(device).eval()
    wait = (lambda _: torch.cuda.synchronize()) if device == "cuda" else (lambda _: None)

    def without_gradients(function, *inputs):
        with torch.inference_mode():
            return function(*inputs)

    def encoding(encode, actions):
        return partial(without_gradients, encode, torch.from_numpy(actions).to(device))

    def decoding(decode, actions):
        return partial(without_gradients, decode, encoding(model.encode, actions)())

    for variant, wrap in (("eager", lambda function: function), ("compiled", torch.compile)):
        yield Case(name, variant, "encode", partial(encoding, wrap(model.encode)), wait)
        yield Case(name, variant, "decode", partial(decoding, wrap(model.decode_from_indices)), wait)


class ResidualFsqAutoencoder(torch.nn.Module):
    """The original's networks around a residual quantizer that takes and gives ``[1, N, 1]``: one scalar per code."""

    def __init__(self, quantizer: torch.nn.Module):
        super().__init__()
        self.encoder, self.decoder = ReferenceRfsq(normalizes=False).encoder[:3], ReferenceRfsq(False).decoder
        self.quantizer = quantizer

    def encode(self, actions):
        latents = self.encoder(actions)
        return self.quantizer(latents.reshape(1, -1, 1))[1].reshape(*latents.shape, NUM_LAYERS)

    def decode_from_indices(self, tokens):
        latents = self.quantizer.get_output_from_indices(tokens.reshape(1, -1, NUM_LAYERS))
        return self.decoder(latents.reshape(tokens.shape[:-1]))


class EquivalentResidualFsq(torch.nn.Module):
    """The code of ResidualFSQ with ``levels=[7]``, in the fewest operations, for where the library isn't installed."""

    def __init__(self):
        super().__init__()
        self.register_buffer("scales", 7.0 ** -torch.arange(NUM_LAYERS, dtype=torch.float32))

    def forward(self, values):
        bound = 7 / 6
        bounded = bound * torch.tanh(values / bound)
        residual, digits = bounded, []
        for scale in self.scales.unbind():
            digit = torch.floor((residual / scale).clamp(-1, 1) * 3 + 0.5)
            residual = residual - digit * (scale / 3)
            digits.append((digit + 3).int())
        return bounded - residual, torch.cat(digits, dim=-1)

    def get_output_from_indices(self, tokens):
        return ((tokens - 3) * (self.scales / 3)).sum(dim=-1, keepdim=True)


def residual_fsq(not_run: list[dict[str, Any]]) -> tuple[str, torch.nn.Module]:
    try:
        from vector_quantize_pytorch import ResidualFSQ
    except ImportError as error:
        reason = {"implementation": "ResidualFSQ (vector-quantize-pytorch)", "reason": f"cannot be imported: {error}"}
        if reason not in not_run:
            not_run.append(reason)
        return "equivalent of ResidualFSQ (ours, PyTorch)", ResidualFsqAutoencoder(EquivalentResidualFsq())
    quantizer = ResidualFSQ(levels=[NUM_LEVELS], dim=1, num_quantizers=NUM_LAYERS)
    return "ResidualFSQ (vector-quantize-pytorch)", ResidualFsqAutoencoder(quantizer)


def our_tokenizers(arguments: argparse.Namespace) -> Iterator[tuple[str, RfsqTokenizer]]:
    """Those of the command line, and one of each design with random parameters."""
    for given in arguments.tokenizer:
        name, _, path = given.rpartition("=")
        yield name or path, RfsqTokenizer.load(path)
    mlp, linear, frame = MlpAutoencoder(), MlpAutoencoder(has_linear_path=True), RepetitionFrame()
    params = initial_parameters(mlp)
    examples = jnp.asarray(np.random.default_rng(1).uniform(-1, 1, (64, CHUNK_LENGTH, ACTION_DIM)), jnp.float32)
    statistics = update_statistics(
        initial_statistics(NUM_LAYERS, LATENT_DIM), mlp.encode(params, examples), 0.0, 2.0, NUM_LEVELS
    )
    yield "layernorm, MLP", untrained(mlp, params, table_from_statistics(statistics, 2.0, NUM_LEVELS))
    nested = Nested(NUM_LAYERS, LATENT_DIM, NUM_LEVELS).fixed_table()
    yield "nested, MLP and linear path", untrained(linear, initial_parameters(linear), nested)
    yield "staggered, frame", untrained(frame, {}, Staggered().fixed_table())


def initial_parameters(autoencoder: Autoencoder) -> Any:
    return nn.meta.unbox(autoencoder.init(jax.random.key(0)))


def untrained(autoencoder: Autoencoder, params: Any, table: QuantizerTable) -> RfsqTokenizer:
    unchanged = ActionNormalizer(center=jnp.zeros(ACTION_DIM), half_range=jnp.ones(ACTION_DIM))
    return RfsqTokenizer(params, table, unchanged, autoencoder, CHUNK_LENGTH)


@jax.jit
def encode(tokenizer: RfsqTokenizer, actions: jax.Array) -> jax.Array:
    return tokenizer.tokenize(actions).astype(jnp.int8)


@jax.jit
def decode(tokenizer: RfsqTokenizer, tokens: jax.Array) -> jax.Array:
    return tokenizer.detokenize(tokens)


@jax.jit
def next_to_nothing(tokenizer: RfsqTokenizer, actions: jax.Array) -> jax.Array:
    return actions[:1] + tokenizer.table.step[0, 0]


def our_cases(name: str, tokenizer: RfsqTokenizer) -> Iterator[Case]:
    tokenizer = jax.device_put(tokenizer)

    def encoding(actions):
        return partial(encode, tokenizer, jax.device_put(actions))

    def decoding(actions):
        return partial(decode, tokenizer, encoding(actions)())

    def calling(actions):
        return partial(next_to_nothing, tokenizer, jax.device_put(actions))

    yield Case(name, "jit", "encode", encoding, jax.block_until_ready)
    yield Case(name, "jit", "decode", decoding, jax.block_until_ready)
    yield Case(name, "jit", "empty call", calling, jax.block_until_ready)


if __name__ == "__main__":
    main()

"""Times OpenVLA-OFT's chunk in PyTorch, eager and compiled: random weights, pixels on the host to actions on the host.

    python -m tests.benchmarks.openvla_pytorch --sizes openvla_7b --out rows.json

Frames come as the towers see them, 224 pixels: no JPEG, no cut, which OFT does on the host before. The prompt has no
padding, attention sees all by the kernels of scaled_dot_product_attention, and nothing but what actions need is kept.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rsd_jax.backbones.openvla.configuration import SIZES, OpenVlaSizes
from tests.parity.reference_openvla import SLOTS, ActionHead, OpenVla, ProprioProjector

CAMERAS, STATE, WORDS = 2, 8, 34
NOT_RUNNING = (RuntimeError, ImportError, OSError)  # what a compiler that is missing raises


class Chunk(torch.nn.Module):
    """From frames and state to actions."""

    def __init__(self, sizes: OpenVlaSizes):
        super().__init__()
        self.model = OpenVla(sizes, attention="sdpa")
        self.proprio, self.head = ProprioProjector(sizes.language.width), ActionHead(sizes.language.width)
        for layer in self.model.language_model.model.layers:
            layer.self_attn.is_causal = False
        pixels = [(tower.mean, tower.std) for tower in (sizes.dinov2, sizes.siglip)]
        for name, values in zip(("mean", "std"), zip(*pixels, strict=True), strict=True):
            self.register_buffer(name, torch.tensor(values).reshape(1, 6, 1, 1))

    def forward(self, frames, state, ids):
        """Actions ``[1, 8, 7]`` of frames ``uint8 [1, N, 3, S, S]``."""
        scaled = frames.to(self.mean.dtype) / 255
        seen = torch.cat([(scaled.repeat(1, 1, 2, 1, 1)[:, one] - self.mean) / self.std for one in range(CAMERAS)], 1)
        language = self.model.language_model.model
        words = language.embed_tokens(ids)
        slots = torch.zeros_like(words[:, :1]).expand(-1, SLOTS, -1)
        context = torch.cat([self.model.projector(self.model.vision_backbone(seen)), self.proprio(state)[:, None]], 1)
        hidden = torch.cat([words[:, :1], context, words[:, 1:-1], slots, words[:, -1:]], 1)
        turns = language.rotary_emb(hidden, torch.arange(hidden.shape[1], device=hidden.device)[None])
        for layer in language.layers:
            hidden = layer(hidden, attention_mask=None, position_embeddings=turns)
        states = language.norm(hidden[:, -SLOTS - 2 : -2])
        return self.head.predict_action(states)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", choices=tuple(SIZES), default="openvla_7b")
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    sizes, device = SIZES[arguments.sizes], "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if arguments.sizes == "openvla_7b" else torch.float32
    torch.manual_seed(0)
    torch.set_default_dtype(dtype)
    with torch.device(device):
        chunk = Chunk(sizes).eval()
    rng = np.random.default_rng(0)
    frames = torch.from_numpy(rng.integers(0, 256, (1, CAMERAS, 3, sizes.image_size, sizes.image_size), np.uint8))
    given = frames, torch.randn(1, STATE), torch.randint(3, 100, (1, WORDS))
    rows = []
    for implementation, compile_options in (("pytorch_eager", None), ("torch_compile", {"mode": "reduce-overhead"})):
        function = torch.compile(chunk, **compile_options) if compile_options else chunk
        try:
            rows.append(timed(function, given, device, arguments.repeats) | {"implementation": implementation})
        except NOT_RUNNING as error:
            print(f"{implementation} does not run here: {type(error).__name__}: {error}".splitlines()[0], flush=True)
    facts: dict[str, Any] = {"dtype": str(dtype).removeprefix("torch."), "version": torch.__version__}
    arguments.out.write_text(json.dumps([row | facts for row in rows]), encoding="utf-8")


@torch.inference_mode()
def timed(function, given, device, repeats):
    """Percentiles of calls from the host to the host, and the memory that they took at most."""
    milliseconds = []
    for _ in range(5 + repeats):
        started = time.perf_counter()
        actions = function(*(each.to(device, non_blocking=True) for each in given)).float().cpu()
        milliseconds.append(1e3 * (time.perf_counter() - started))
    assert actions.shape == (1, 8, 7)
    peak = torch.cuda.max_memory_allocated() / 2**30 if device == "cuda" else None
    return {"latency": [float(value) for value in np.percentile(milliseconds[5:], [50, 90, 99])], "peak_gib": peak}


if __name__ == "__main__":
    main()

"""Writes tests/parity/golden: what the PyTorch reference computes for given weights and actions.

    python -m tests.parity.make_golden

For each kind a ``.pt`` file as the original writes it, and a ``.npz`` with actions, tokens and actions decoded from
them. Chunks in which a value lies so close to the middle of two levels that the order of a float32 sum can decide are
left out, for the tests ask for the same tokens on every machine.
"""

from pathlib import Path

import numpy as np
import torch

from tests.parity.boundary_distance import distance_to_boundaries
from tests.parity.reference_rfsq import ReferenceRfsq, example_actions, trained_reference

GOLDEN = Path(__file__).parent / "golden"
NUM_CHUNKS = 32
SMALLEST_DISTANCE = 1e-3


def main():
    torch.set_num_threads(1)
    GOLDEN.mkdir(exist_ok=True)
    for kind in ("layernorm", "naive"):
        model = trained_reference(normalizes=kind == "layernorm", seed=0)
        torch.save(as_original(model, kind), GOLDEN / f"{kind}.pt")
        np.savez_compressed(GOLDEN / f"{kind}.npz", **outputs(model, kind))


def as_original(model: ReferenceRfsq, kind: str) -> dict:
    """The dict that the original's trainings save."""
    sizes = {"action_dim": 7, "hidden_dim": 16, "num_layers": 8, "num_levels": 7}
    config = sizes | {"use_layernorm": kind == "layernorm"}
    return {"model_state_dict": model.state_dict(), "epoch": 3, "train_mse": 0.01, "config": config}


@torch.no_grad()
def outputs(model: ReferenceRfsq, kind: str) -> dict[str, np.ndarray]:
    """Inputs and outputs of the chunks on which every machine agrees."""
    actions = example_actions(4096, seed=1)
    latents = model.encoder(actions)
    tokens = model.encode(actions)
    residual, means, stds = latents, [], []
    for layer in model.rfsq.layers:
        means.append(residual.mean(dim=-1))
        stds.append(residual.std(dim=-1) + 1e-5)
        residual = residual - layer(residual)[0]
    mean, std = torch.stack(means, dim=-1), torch.stack(stds, dim=-1)
    used = (mean, std) if kind == "layernorm" else (torch.zeros_like(mean), torch.ones_like(std))
    distance = distance_to_boundaries(latents.numpy(), tokens.numpy(), *(values.numpy() for values in used))
    clear = np.flatnonzero(distance.min(axis=(1, 2, 3)) > SMALLEST_DISTANCE)[:NUM_CHUNKS]
    print(
        f"{kind}: {len(clear)} chunks, {[len(np.unique(t)) for t in np.moveaxis(tokens[clear].numpy(), -1, 0)]} digits"
    )
    assert len(clear) == NUM_CHUNKS
    chosen = {
        "actions": actions[clear],
        "latents": latents[clear],
        "tokens": tokens[clear].to(torch.int8),
        "mean": mean[clear],
        "std": std[clear],
        "reconstruction": model(actions[clear])[0],
        "decoded_from_indices": model.decode_from_indices(tokens[clear]),
    }
    return {name: values.numpy() for name, values in chosen.items()}


if __name__ == "__main__":
    main()

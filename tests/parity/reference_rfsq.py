"""The action autoencoder of the PyTorch original, written anew from a description of what it computes.

Same arithmetic in the same order, same names of weights, so that its files and these are alike. Layers either round
the residual as it is (naive), or normalise each sample's D numbers first (LayerNorm); both are summed up behind a
straight-through estimator. `decode_from_indices` reproduces the original's defect: it adds up raw levels, whatever
the layers had normalised away.
"""

import torch
from torch import nn


class Levels(nn.Module):
    """One layer: V levels from -1 to 1."""

    def __init__(self, num_levels: int, normalizes: bool):
        super().__init__()
        self.normalizes = normalizes
        self.register_buffer("boundaries", torch.linspace(-1, 1, num_levels))

    def nearest(self, values):
        return (values[..., None] - self.boundaries).abs().argmin(dim=-1)

    def forward(self, residual):
        if self.normalizes:
            mean = residual.mean(dim=-1, keepdim=True)
            std = residual.std(dim=-1, keepdim=True) + 1e-5
            index = self.nearest((residual - mean) / std)
            level = self.boundaries[index] * std + mean
        else:
            index = self.nearest(residual)
            level = self.boundaries[index]
        return residual + (level - residual).detach(), index


class ResidualLevels(nn.Module):
    """Layers of levels, each for what those before have left over."""

    def __init__(self, num_layers: int, num_levels: int, normalizes: bool):
        super().__init__()
        self.layers = nn.ModuleList(Levels(num_levels, normalizes) for _ in range(num_layers))

    def forward(self, latents):
        residual, total, indices = latents, 0, []
        for layer in self.layers:
            level, index = layer(residual)
            total, residual = total + level, residual - level
            indices.append(index)
        return total, torch.stack(indices, dim=-1)

    def decode_from_indices(self, indices):
        total = 0
        for layer, index in zip(self.layers, indices.unbind(-1), strict=True):
            total = total + layer.boundaries[index]
        return total


class ReferenceRfsq(nn.Module):
    """The autoencoder: A-64-D, quantizer, D-64-A."""

    def __init__(self, normalizes: bool, action_dim=7, latent_dim=16, num_layers=8, num_levels=7):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(action_dim, 64), nn.Mish(), nn.Linear(64, latent_dim), nn.Tanh())
        self.rfsq = ResidualLevels(num_layers, num_levels, normalizes)
        self.decoder = nn.Sequential(nn.Linear(latent_dim, 64), nn.Mish(), nn.Linear(64, action_dim))

    def forward(self, actions):
        latents, indices = self.rfsq(self.encoder(actions))
        return self.decoder(latents), indices

    def encode(self, actions):
        return self.rfsq(self.encoder(actions))[1]

    def decode_from_indices(self, indices):
        return self.decoder(self.rfsq.decode_from_indices(indices))


def example_actions(num_chunks: int, seed: int):
    """Chunks of actions in [-1, 1] that move as recorded ones do: smooth, often resting, the gripper -1 or +1."""
    generator = torch.Generator().manual_seed(seed)
    phase = 2 * torch.pi * torch.rand(num_chunks, 1, 7, generator=generator)
    speed = 0.6 * torch.rand(num_chunks, 1, 7, generator=generator)
    size = torch.rand(num_chunks, 1, 7, generator=generator) ** 2
    actions = size * torch.sin(phase + speed * torch.arange(8.0)[None, :, None])
    actions[..., 6] = torch.where(actions[..., 6] >= 0, 1.0, -1.0)
    return actions


def trained_reference(normalizes: bool, seed: int, steps: int = 300) -> ReferenceRfsq:
    """A model after a few steps on `example_actions`, so that its latents and digits vary as a trained model's do."""
    torch.manual_seed(seed)
    model = ReferenceRfsq(normalizes)
    actions = example_actions(1024, seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(steps):
        batch = actions[64 * step % 1024 :][:64]
        loss = nn.functional.mse_loss(model(batch)[0], batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()

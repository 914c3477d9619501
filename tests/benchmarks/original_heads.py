"""Draft model and conditional main head of the PyTorch original, written anew from a description of what they compute.

Same layers in the same order, random weights: they are timed, not asked. Both read one vector of features an
observation; the original's is OpenVLA's last hidden state, 4096 numbers.
"""

import torch
from torch import nn

CHUNK_LENGTH, LATENT_DIM, NUM_LAYERS, NUM_LEVELS, COARSE_LAYERS = 8, 16, 8, 7, 3
POSITIONS = CHUNK_LENGTH * LATENT_DIM


def layer_head(width: int) -> nn.Sequential:
    """Logits of one layer of the code, from features of this width."""
    half = width // 2
    return nn.Sequential(
        nn.Linear(width, half), nn.GELU(), nn.LayerNorm(half), nn.Linear(half, POSITIONS * NUM_LEVELS)
    )


def projection(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs), nn.GELU(), nn.LayerNorm(outputs))


class OriginalDraft(nn.Module):
    """A projection, one transformer decoder layer on a sequence of one, and a head for each coarse layer."""

    def __init__(self, features: int, width: int = 512):
        super().__init__()
        self.projection = nn.Linear(features, width)
        self.position = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.block = nn.TransformerDecoderLayer(
            width, 8, 4 * width, 0.1, activation="gelu", batch_first=True, norm_first=True
        )
        self.norm = nn.LayerNorm(width)
        self.heads = nn.ModuleList(layer_head(width) for _ in range(COARSE_LAYERS))

    def forward(self, features):
        x = self.projection(features)[:, None] + self.position
        x = self.norm(self.block(x, x))[:, 0]
        return torch.stack([head(x).view(-1, POSITIONS, NUM_LEVELS) for head in self.heads], dim=1)


class OriginalConditionalHead(nn.Module):
    """Features and embedded coarse tokens of the whole chunk, fused; a head for each of the eight layers."""

    def __init__(self, features: int, width: int = 1024, embedding: int = 64):
        super().__init__()
        self.features = projection(features, width)
        self.embedding = nn.Embedding(NUM_LEVELS, embedding)
        self.tokens = projection(POSITIONS * COARSE_LAYERS * embedding, width)
        self.fusion = projection(2 * width, width)
        self.heads = nn.ModuleList(layer_head(width) for _ in range(NUM_LAYERS))

    def forward(self, features, coarse):
        told = self.tokens(self.embedding(coarse).flatten(start_dim=1))
        x = self.fusion(torch.cat([self.features(features), told], dim=-1))
        return torch.stack([head(x).view(-1, POSITIONS, NUM_LEVELS) for head in self.heads], dim=1)

"""OpenVLA-OFT in PyTorch, with the names of its published weights.

The language model is that of transformers. The towers are written here, since timm's need a vision library of the same
build; `as_dinov2` and `as_siglip` give the same weights to transformers' own towers, which must agree.
"""

import math

import torch
from torch import nn
from torch.nn.functional import gelu, relu, scaled_dot_product_attention
from transformers import (
    Dinov2WithRegistersConfig,
    Dinov2WithRegistersModel,
    LlamaConfig,
    LlamaForCausalLM,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from rsd_jax.backbones.openvla.configuration import OpenVlaSizes, TowerSizes

STOP, PADDING = 2, 32000
CHUNK, ACTION_DIM = 8, 7
SLOTS = CHUNK * ACTION_DIM

ENTRANCES = ("patch_embed.proj.weight", "patch_embed.proj.bias", "pos_embed", "_token", "embed_tokens.weight")
SMALL = 0.003


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.qkv, self.proj, self.heads = nn.Linear(width, 3 * width), nn.Linear(width, width), heads

    def forward(self, x):
        batch, count, width = x.shape
        query, key, value = self.qkv(x).reshape(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        return self.proj(scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(batch, count, width))


class Mlp(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x):
        return self.fc2(gelu(self.fc1(x)))


class LayerScale(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.scale_factor = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return x * self.scale_factor


class Block(nn.Module):
    def __init__(self, sizes: TowerSizes):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(sizes.width, eps=1e-6), nn.LayerNorm(sizes.width, eps=1e-6)
        self.attn, self.mlp = Attention(sizes.width, sizes.heads), Mlp(sizes.width, sizes.mlp_features)
        self.ls1 = LayerScale(sizes.width) if sizes.has_layer_scale else nn.Identity()
        self.ls2 = LayerScale(sizes.width) if sizes.has_layer_scale else nn.Identity()

    def forward(self, x):
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class AttentionPool(nn.Module):
    """Of SigLIP's tower: in the published weights, and never called."""

    def __init__(self, sizes: TowerSizes):
        super().__init__()
        width = sizes.width
        self.latent = nn.Parameter(torch.zeros(1, 1, width))
        self.q, self.kv, self.proj = nn.Linear(width, width), nn.Linear(width, 2 * width), nn.Linear(width, width)
        self.norm, self.mlp = nn.LayerNorm(width), Mlp(width, sizes.mlp_features)


class Tower(nn.Module):
    def __init__(self, sizes: TowerSizes):
        super().__init__()
        patch = sizes.patch_size
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, sizes.width, patch, patch)})
        self.pos_embed = nn.Parameter(torch.zeros(1, sizes.patches, sizes.width))
        if sizes.class_tokens:
            self.cls_token = nn.Parameter(torch.zeros(1, sizes.class_tokens, sizes.width))
            self.reg_token = nn.Parameter(torch.zeros(1, sizes.registers, sizes.width))
        else:
            self.attn_pool = AttentionPool(sizes)
        self.blocks = nn.ModuleList([Block(sizes) for _ in range(sizes.depth)])
        self.norm = nn.LayerNorm(sizes.width, eps=1e-6)
        self.front = sizes.class_tokens + sizes.registers

    def forward(self, pixels):
        """Patches after the last block but one."""
        x = self.patch_embed["proj"](pixels).flatten(2).transpose(1, 2) + self.pos_embed
        if self.front:
            x = torch.cat([token.expand(len(x), -1, -1) for token in (self.cls_token, self.reg_token)] + [x], dim=1)
        for block in self.blocks[:-1]:
            x = block(x)
        return x[:, self.front :]


class VisionBackbone(nn.Module):
    def __init__(self, sizes: OpenVlaSizes):
        super().__init__()
        self.featurizer, self.fused_featurizer = Tower(sizes.dinov2), Tower(sizes.siglip)

    def forward(self, pixel_values):
        """Pixels ``[B, 6 k, S, S]`` of k images, normalised for the first and for the second tower."""
        halves = [image.split(3, dim=1) for image in torch.split(pixel_values, 6, dim=1)]
        seen = [torch.cat([self.featurizer(one), self.fused_featurizer(other)], dim=2) for one, other in halves]
        return torch.cat(seen, dim=1)


class Projector(nn.Module):
    def __init__(self, sizes: OpenVlaSizes):
        super().__init__()
        width, hidden = sizes.language.width, 4 * sizes.vision_width
        self.fc1, self.fc2, self.fc3 = (
            nn.Linear(sizes.vision_width, hidden),
            nn.Linear(hidden, width),
            nn.Linear(width, width),
        )

    def forward(self, x):
        return self.fc3(gelu(self.fc2(gelu(self.fc1(x)))))


class OpenVla(nn.Module):
    """Its state dict has the names of the published model."""

    def __init__(self, sizes: OpenVlaSizes, attention="eager"):
        super().__init__()
        self.vision_backbone, self.projector = VisionBackbone(sizes), Projector(sizes)
        language = sizes.language
        config = LlamaConfig(
            vocab_size=language.vocabulary,
            hidden_size=language.width,
            intermediate_size=language.mlp_features,
            num_hidden_layers=language.depth,
            num_attention_heads=language.heads,
            rms_norm_eps=1e-6,
            pad_token_id=PADDING,
            attn_implementation=attention,
        )
        self.language_model = LlamaForCausalLM(config)

    def sequence(self, pixel_values, ids, context=()):
        """Embeddings ``[1, L, F]`` and hidden states of prompt `ids`, with `context` behind the patches."""
        words = self.language_model.get_input_embeddings()(ids)
        seen = torch.cat([self.projector(self.vision_backbone(pixel_values)), *context], dim=1)
        return torch.cat([words[:, :1], seen, words[:, 1:]], dim=1), seen.shape[1]

    def slot_states(self, pixel_values, ids, context=()):
        """States and logits of the slots of one prompt without padding, all tokens seeing all; all hidden states."""
        ids = torch.cat([ids, torch.ones(1, SLOTS, dtype=ids.dtype), torch.full((1, 1), STOP)], dim=1)
        prompt = ids.shape[1] - SLOTS - 2
        embeddings, seen = self.sequence(pixel_values, ids, context)
        embeddings[:, seen + prompt + 1 : seen + prompt + 1 + SLOTS] = 0
        length = embeddings.shape[1]
        mask = torch.zeros(1, 1, length, length)
        output = self.language_model.model(
            inputs_embeds=embeddings, attention_mask=mask, use_cache=False, output_hidden_states=True
        )
        window = output.last_hidden_state[:, seen + prompt : seen + prompt + SLOTS]
        return window, self.language_model.lm_head(window), output.hidden_states

    def generate(self, pixel_values, ids, count):
        """Tokens behind the prompt, one by one, by whole causal passes."""
        for _ in range(count):
            embeddings, _ = self.sequence(pixel_values, ids)
            logits = self.language_model(inputs_embeds=embeddings, use_cache=False).logits[:, -1]
            ids = torch.cat([ids, logits.argmax(-1, keepdim=True)], dim=1)
        return ids[:, -count:]


class ProprioProjector(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(8, width), nn.Linear(width, width)

    def forward(self, state):
        return self.fc2(gelu(self.fc1(state)))


class ResidualBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.ffn = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.ReLU())

    def forward(self, x):
        return x + self.ffn(x)


class ResidualMlp(nn.Module):
    def __init__(self, inputs, width):
        super().__init__()
        self.layer_norm1, self.fc1 = nn.LayerNorm(inputs), nn.Linear(inputs, width)
        self.mlp_resnet_blocks = nn.ModuleList([ResidualBlock(width) for _ in range(2)])
        self.layer_norm2, self.fc2 = nn.LayerNorm(width), nn.Linear(width, ACTION_DIM)

    def forward(self, x):
        x = relu(self.fc1(self.layer_norm1(x)))
        for block in self.mlp_resnet_blocks:
            x = block(x)
        return self.fc2(self.layer_norm2(x))


class ActionHead(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.model = ResidualMlp(ACTION_DIM * width, width)

    def predict_action(self, states):
        return self.model(states.reshape(len(states), CHUNK, -1))


def randomised(module: nn.Module, seed: int) -> nn.Module:
    """Every parameter random and of about the size that keeps features near one, so that each of them counts.

    What enters the first blocks is small, so that the epsilons of their normalizations count too.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in module.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        is_scale = parameter.ndim == 1 and not name.endswith("bias")
        fan_in = math.prod(parameter.shape[1:]) if parameter.ndim in (2, 4) else 1
        parameter.data = 1 + 0.3 * noise if is_scale else noise / math.sqrt(fan_in)
        if name.endswith(ENTRANCES):
            parameter.data *= SMALL
    return module.eval()


def as_dinov2(tower: Tower, sizes: TowerSizes) -> Dinov2WithRegistersModel:
    config = Dinov2WithRegistersConfig(
        hidden_size=sizes.width,
        num_hidden_layers=sizes.depth,
        num_attention_heads=sizes.heads,
        mlp_ratio=sizes.mlp_features // sizes.width,
        image_size=sizes.image_size,
        patch_size=sizes.patch_size,
        num_register_tokens=sizes.registers,
    )
    model, given = Dinov2WithRegistersModel(config).eval(), tower.state_dict()
    weights = {
        "embeddings.cls_token": given["cls_token"],
        "embeddings.register_tokens": given["reg_token"],
        "embeddings.mask_token": torch.zeros(1, sizes.width),
        # There the class token has a place; here it has none.
        "embeddings.position_embeddings": torch.cat([torch.zeros(1, 1, sizes.width), given["pos_embed"]], dim=1),
        "embeddings.patch_embeddings.projection.weight": given["patch_embed.proj.weight"],
        "embeddings.patch_embeddings.projection.bias": given["patch_embed.proj.bias"],
        "layernorm.weight": given["norm.weight"],
        "layernorm.bias": given["norm.bias"],
    }
    names = {"attention.o_proj": "attn.proj"} | {each: each for each in ("norm1", "norm2", "mlp.fc1", "mlp.fc2")}
    for index in range(sizes.depth):
        ours, theirs = f"blocks.{index}", f"encoder.layer.{index}"
        _put(weights, given, names, theirs, ours, "attention")
        weights[f"{theirs}.layer_scale1.lambda1"] = given[f"{ours}.ls1.scale_factor"]
        weights[f"{theirs}.layer_scale2.lambda1"] = given[f"{ours}.ls2.scale_factor"]
    model.load_state_dict(weights)
    return model


def as_siglip(tower: Tower, sizes: TowerSizes) -> SiglipVisionModel:
    config = SiglipVisionConfig(
        hidden_size=sizes.width,
        intermediate_size=sizes.mlp_features,
        num_hidden_layers=sizes.depth,
        num_attention_heads=sizes.heads,
        image_size=sizes.image_size,
        patch_size=sizes.patch_size,
        hidden_act="gelu",
        vision_use_head=False,
    )
    model, given = SiglipVisionModel(config).eval(), tower.state_dict()
    prefix = "vision_model." if any(name.startswith("vision_model.") for name in model.state_dict()) else ""
    weights = {
        f"{prefix}embeddings.position_embedding.weight": given["pos_embed"][0],
        f"{prefix}embeddings.patch_embedding.weight": given["patch_embed.proj.weight"],
        f"{prefix}embeddings.patch_embedding.bias": given["patch_embed.proj.bias"],
        f"{prefix}post_layernorm.weight": given["norm.weight"],
        f"{prefix}post_layernorm.bias": given["norm.bias"],
    }
    names = {"layer_norm1": "norm1", "layer_norm2": "norm2", "self_attn.out_proj": "attn.proj"}
    names |= {"mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2"}
    for index in range(sizes.depth):
        _put(weights, given, names, f"{prefix}encoder.layers.{index}", f"blocks.{index}", "self_attn")
    model.load_state_dict(weights)
    return model


def _put(weights, given, names, theirs, ours, attention):
    """Adds a block's weights under transformers' names, queries, keys and values apart."""
    for part in ("weight", "bias"):
        weights |= {f"{theirs}.{their}.{part}": given[f"{ours}.{our}.{part}"] for their, our in names.items()}
        for name, values in zip("qkv", given[f"{ours}.attn.qkv.{part}"].chunk(3), strict=True):
            weights[f"{theirs}.{attention}.{name}_proj.{part}"] = values

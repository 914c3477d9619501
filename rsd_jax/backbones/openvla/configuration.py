"""Sizes of OpenVLA's parts: those that are published, and tiny ones that run in seconds."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)

VOCABULARY_PADDING = 64
"""Rows of the embedding table behind the tokenizer's own; the first is of the padding token, the others of none."""


@dataclass(frozen=True)
class TowerSizes:
    """A vision transformer, of which all blocks but the last are computed.

    Attributes:
        width: F, features of a patch. depth: blocks that were trained; the last is not used, nor what lies behind it.
        heads: attention heads, which divide the width. mlp_features: hidden features of a block's MLP.
        image_size, patch_size: sides, in pixels.
        class_tokens, registers: tokens without a place in the image, in front of the patches.
        has_layer_scale: whether a block's two results are scaled by learned factors (DINOv2).
        mean, std: of its pixels, which span 0 to 1.
    """

    width: int
    depth: int
    heads: int
    mlp_features: int
    image_size: int = 224
    patch_size: int = 14
    class_tokens: int = 0
    registers: int = 0
    has_layer_scale: bool = False
    mean: tuple[float, float, float] = HALF
    std: tuple[float, float, float] = HALF

    def __post_init__(self) -> None:
        """Checks what has to divide what."""
        if self.width % self.heads:
            raise ValueError(f"width is {self.width}; it must be a multiple of heads = {self.heads}")
        if self.image_size % self.patch_size:
            raise ValueError(f"image_size is {self.image_size}; it must be a multiple of patch_size={self.patch_size}")
        if self.depth < 2:
            raise ValueError(f"depth is {self.depth}; it must be at least 2, for the last block is not computed")

    @property
    def patches(self) -> int:
        """Patches of an image."""
        return (self.image_size // self.patch_size) ** 2

    @property
    def blocks(self) -> int:
        """Blocks that are computed."""
        return self.depth - 1


@dataclass(frozen=True)
class LanguageSizes:
    """A Llama-2 language model.

    Attributes:
        width: F, features of a token. depth: blocks. heads: attention heads, which divide the width.
        mlp_features: hidden features of a block's MLP.
        vocabulary: rows of the embedding table, `VOCABULARY_PADDING` of them behind the tokenizer's own.
        norm_epsilon: added to mean squares. The published conversion has 1e-6, other than Llama-2's own 1e-5.
        rotary_base: base of the wavelengths of positions.
    """

    width: int = 4096
    depth: int = 32
    heads: int = 32
    mlp_features: int = 11008
    vocabulary: int = 32064
    norm_epsilon: float = 1e-6
    rotary_base: float = 10000.0

    def __post_init__(self) -> None:
        """Checks what has to divide what."""
        if self.width % (2 * self.heads):
            raise ValueError(f"width is {self.width}; it must be a multiple of 2 x heads = {2 * self.heads}")

    @property
    def head_features(self) -> int:
        """Features of an attention head."""
        return self.width // self.heads


@dataclass(frozen=True)
class OpenVlaSizes:
    """All of OpenVLA's networks but its heads.

    Attributes:
        dinov2, siglip: the vision towers, which see the same images.
        language: the language model, in whose width everything enters it.
    """

    dinov2: TowerSizes
    siglip: TowerSizes
    language: LanguageSizes

    def __post_init__(self) -> None:
        """Checks that the features of the towers can stand side by side."""
        sides = [(tower.image_size, tower.patches) for tower in (self.dinov2, self.siglip)]
        if sides[0] != sides[1]:
            raise ValueError(f"the towers have (image_size, patches) {sides[0]} and {sides[1]}; they must be equal")

    @property
    def image_size(self) -> int:
        """Side of the images that the towers see, in pixels."""
        return self.dinov2.image_size

    @property
    def vision_width(self) -> int:
        """Features of a patch, of both towers."""
        return self.dinov2.width + self.siglip.width


_DINOV2 = {"class_tokens": 1, "registers": 4, "has_layer_scale": True, "mean": IMAGENET_MEAN, "std": IMAGENET_STD}

OPENVLA_7B = OpenVlaSizes(
    dinov2=TowerSizes(width=1024, depth=24, heads=16, mlp_features=4096, **_DINOV2),  # type: ignore[arg-type]
    siglip=TowerSizes(width=1152, depth=27, heads=16, mlp_features=4304),
    language=LanguageSizes(),
)
"""Towers ``vit_large_patch14_reg4_dinov2`` and ``vit_so400m_patch14_siglip_224``, and Llama-2 7B."""

TINY = OpenVlaSizes(
    dinov2=TowerSizes(width=32, depth=3, heads=4, mlp_features=64, image_size=28, **_DINOV2),  # type: ignore[arg-type]
    siglip=TowerSizes(width=48, depth=4, heads=3, mlp_features=80, image_size=28),
    language=LanguageSizes(width=64, depth=3, heads=4, mlp_features=112),
)
"""Every part of `OPENVLA_7B` at sizes for tests, with the same vocabulary, so that token ids are the real ones."""

SIZES: Mapping[str, OpenVlaSizes] = MappingProxyType({"openvla_7b": OPENVLA_7B, "tiny": TINY})
"""The sizes that have names."""

"""What is left of an image after JPEG compression and decompression, on any device, bit for bit.

OFT's data and its inference pass every frame through TensorFlow's JPEG at quality 95, so its networks know frames no
other way. Nothing is written here: of the format's steps (ITU-T T.81) only those that lose something are done, in the
integer arithmetic of libjpeg-turbo as TensorFlow calls it: chroma at half the resolution, the accurate transform forth
and the fast one back, and smooth upsampling of chroma.

The accurate transform is that of Loeffler, Ligtenberg and Moschytz 1989, "Practical fast 1-D DCT algorithms with 11
multiplications"; the fast one of Arai, Agui and Nakajima 1988, "A fast DCT-SQ scheme for images".
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int
from numpy.typing import NDArray

from rsd_jax.array_types import Images

QUALITY = 95
"""TensorFlow's, where nothing else is said."""

BLOCK = 8
MULTIPLE = 2 * BLOCK
"""Of which an image's sides must be multiples, for chroma has blocks of twice the size."""

# Annex K of the standard: the tables for quality 50, luminance and chrominance.
_LUMINANCE = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56),
    *(14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMINANCE = (
    *(17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99),
    *(47, 66, 99, 99, 99, 99, 99, 99, *(99,) * 32),
)

Plane = Int[Array, "*batch H W"]


def round_trip(images: Images) -> Images:
    """Images ``uint8 [B, N, H, W, 3]`` after compression and decompression.

    Raises:
        ValueError: a side is no multiple of `MULTIPLE`.
    """
    height, width = images.shape[-3:-1]
    if height % MULTIPLE or width % MULTIPLE:
        raise ValueError(f"images are {height} x {width}; both sides must be multiples of {MULTIPLE}")
    luma, blue, red = _to_luma_and_chroma(images.astype(jnp.int32))
    luma = _through_blocks(luma, _quantization(_LUMINANCE))
    chroma_table = _quantization(_CHROMINANCE)
    blue, red = (_upsample(_through_blocks(_downsample(plane), chroma_table)) for plane in (blue, red))
    return _to_colours(luma, blue, red).astype(jnp.uint8)


def _quantization(base: tuple[int, ...]) -> NDArray[np.int64]:
    """Steps of the coefficients ``[8, 8]`` at `QUALITY`, of 50 and above."""
    scaled = (np.asarray(base).reshape(BLOCK, BLOCK) * (200 - 2 * QUALITY) + 50) // 100
    return np.clip(scaled, 1, 255)


def _fixed(value: float, bits: int) -> int:
    return int(value * (1 << bits) + 0.5)


def _to_luma_and_chroma(images: Int[Array, "*batch H W 3"]) -> tuple[Plane, Plane, Plane]:
    red, green, blue = images[..., 0], images[..., 1], images[..., 2]
    half, centre = 1 << 15, 128 << 16

    def weighted(for_red: float, for_green: float, for_blue: float) -> Plane:
        in_16_bits = [int(np.sign(each)) * _fixed(abs(each), 16) for each in (for_red, for_green, for_blue)]
        return red * in_16_bits[0] + green * in_16_bits[1] + blue * in_16_bits[2]

    return (
        (weighted(0.299, 0.587, 0.114) + half) >> 16,
        (weighted(-0.16874, -0.33126, 0.5) + centre + half - 1) >> 16,
        (weighted(0.5, -0.41869, -0.08131) + centre + half - 1) >> 16,
    )


def _to_colours(luma: Plane, blue: Plane, red: Plane) -> Int[Array, "*batch H W 3"]:
    half, blue, red = 1 << 15, blue - 128, red - 128
    colours = (
        luma + ((_fixed(1.402, 16) * red + half) >> 16),
        luma + ((-_fixed(0.34414, 16) * blue + half - _fixed(0.71414, 16) * red) >> 16),
        luma + ((_fixed(1.772, 16) * blue + half) >> 16),
    )
    return jnp.clip(jnp.stack(colours, axis=-1), 0, 255)


def _downsample(plane: Plane) -> Plane:
    """Means of 2 x 2 pixels, of which every other is rounded up."""
    sums = plane[..., ::2, ::2] + plane[..., ::2, 1::2] + plane[..., 1::2, ::2] + plane[..., 1::2, 1::2]
    return (sums + 1 + jnp.arange(sums.shape[-1]) % 2) >> 2


def _upsample(plane: Plane) -> Plane:
    """Twice the sides: of each pixel three quarters and of its neighbour one, along both axes."""
    rows = _between(plane, axis=-2)
    left, right = (_neighbour(rows, step, axis=-1) for step in (-1, 1))
    # At the border the neighbour is the pixel itself, and 3 x + x is what libjpeg has there as 4 x.
    pairs = jnp.stack([(3 * rows + left + 8) >> 4, (3 * rows + right + 7) >> 4], axis=-1)
    return pairs.reshape(*rows.shape[:-1], -1)


def _between(plane: Plane, axis: int) -> Plane:
    above, below = (_neighbour(plane, step, axis) for step in (-1, 1))
    pairs = jnp.stack([3 * plane + above, 3 * plane + below], axis=axis)
    return pairs.reshape(*plane.shape[:-2], -1, plane.shape[-1])


def _neighbour(plane: Plane, step: int, axis: int) -> Plane:
    """The pixel one before (-1) or behind (1) each along `axis`; at the border itself."""
    size = plane.shape[axis]
    return jnp.take(plane, np.clip(np.arange(size) + step, 0, size - 1), axis=axis)


def _through_blocks(plane: Plane, steps: NDArray[np.int64]) -> Plane:
    """Transformed, quantized with `steps` and transformed back, block by block."""
    height, width = plane.shape[-2:]
    blocks = plane.reshape(*plane.shape[:-2], height // BLOCK, BLOCK, width // BLOCK, BLOCK).swapaxes(-3, -2)
    levels = _quantize(_forward(blocks - 128), steps)
    return _backward(levels, steps).swapaxes(-3, -2).reshape(plane.shape)


def _quantize(coefficients: Int[Array, "*blocks 8 8"], steps: NDArray[np.int64]) -> Int[Array, "*blocks 8 8"]:
    """The nearest level of each coefficient, which is eight times too large; halves away from zero."""
    divisors = jnp.asarray(8 * steps, jnp.int32)
    return jnp.sign(coefficients) * ((jnp.abs(coefficients) + divisors // 2) // divisors)


def _forward(blocks: Int[Array, "*blocks 8 8"]) -> Int[Array, "*blocks 8 8"]:
    """Cosine transform, times 8: rows first, whose results keep 2 more bits until the columns are done."""
    return _forward_pass(_forward_pass(blocks, -1, kept_bits=2), -2, kept_bits=-2)


def _forward_pass(blocks: jax.Array, axis: int, kept_bits: int) -> jax.Array:
    x = [jnp.take(blocks, index, axis=axis) for index in range(BLOCK)]
    sums, differences = [x[i] + x[7 - i] for i in range(4)], [x[i] - x[7 - i] for i in range(4)]
    outer, inner = sums[0] + sums[3], sums[1] + sums[2]
    outer_difference, inner_difference = sums[0] - sums[3], sums[1] - sums[2]

    def constant(value: float) -> int:
        return _fixed(value, 13)

    def plain(value: jax.Array) -> jax.Array:
        return value << kept_bits if kept_bits > 0 else _descale(value, -kept_bits)

    def scaled(value: jax.Array) -> jax.Array:
        return _descale(value, 13 - kept_bits)

    turned = (outer_difference + inner_difference) * constant(0.541196100)
    d0, d1, d2, d3 = differences
    z1, z2, z3, z4 = d3 + d0, d2 + d1, d3 + d1, d2 + d0
    z5 = (z3 + z4) * constant(1.175875602)
    z1, z2 = -z1 * constant(0.899976223), -z2 * constant(2.562915447)
    z3, z4 = z5 - z3 * constant(1.961570560), z5 - z4 * constant(0.390180644)
    results = (
        plain(outer + inner),
        scaled(d0 * constant(1.501321110) + z1 + z4),
        scaled(turned + outer_difference * constant(0.765366865)),
        scaled(d1 * constant(3.072711026) + z2 + z3),
        plain(outer - inner),
        scaled(d2 * constant(2.053119869) + z2 + z4),
        scaled(turned - inner_difference * constant(1.847759065)),
        scaled(d3 * constant(0.298631336) + z1 + z3),
    )
    return jnp.stack(results, axis=axis)


def _descale(value: jax.Array, bits: int) -> jax.Array:
    return (value + (1 << (bits - 1))) >> bits


def _backward(levels: Int[Array, "*blocks 8 8"], steps: NDArray[np.int64]) -> Int[Array, "*blocks 8 8"]:
    """Pixels of quantized coefficients, whose steps take up the factors that the fast transform leaves out."""
    factors = np.asarray([1.0, *(np.cos(k * np.pi / 16) * np.sqrt(2) for k in range(1, BLOCK))])
    in_14_bits = np.floor(np.outer(factors, factors) * (1 << 14) + 0.5).astype(np.int64)
    multipliers = jnp.asarray((steps * in_14_bits + (1 << 11)) >> 12, jnp.int32)
    columns = _backward_pass(levels * multipliers, -2)
    return jnp.clip((_backward_pass(columns, -1) >> 5) + 128, 0, 255)


def _backward_pass(coefficients: jax.Array, axis: int) -> jax.Array:
    c = [jnp.take(coefficients, index, axis=axis) for index in range(BLOCK)]

    def times(value: jax.Array, constant: float) -> jax.Array:
        return (value * _fixed(constant, 8)) >> 8

    sum_04, difference_04, sum_26 = c[0] + c[4], c[0] - c[4], c[2] + c[6]
    turned_26 = times(c[2] - c[6], 1.414213562) - sum_26
    even = (sum_04 + sum_26, difference_04 + turned_26, difference_04 - turned_26, sum_04 - sum_26)
    sum_35, difference_53, sum_17, difference_17 = c[5] + c[3], c[5] - c[3], c[1] + c[7], c[1] - c[7]
    odd_7 = sum_17 + sum_35
    middle = times(difference_53 + difference_17, 1.847759065)
    odd_6 = middle + times(-difference_53, 2.613125930) - odd_7
    odd_5 = times(sum_17 - sum_35, 1.414213562) - odd_6
    odd_4 = times(difference_17, 1.082392200) - middle + odd_5
    results = (
        *(even[0] + odd_7, even[1] + odd_6, even[2] + odd_5, even[3] - odd_4),
        *(even[3] + odd_4, even[2] - odd_5, even[1] - odd_6, even[0] - odd_7),
    )
    return jnp.stack(results, axis=axis)

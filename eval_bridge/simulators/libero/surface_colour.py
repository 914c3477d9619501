"""The mean colour of what is seen of an object, in CIE Lab: perceived differences are distances there (CIE76)."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import mujoco
import numpy as np
from numpy.typing import NDArray

_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = _TO_XYZ.sum(axis=1)
"""sRGB (IEC 61966-2-1) to XYZ, and its white, D65."""

_UNSET_RGBA = (0.5, 0.5, 0.5, 1.0)
"""MuJoCo's default of a geom: its material's colour is shown."""

_EDGE = 8
"""A triangle's texture is read at this many points along each edge, and as densely inside."""


def lab_of(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIE 1976 L*a*b* of sRGB colours in 0 to 1, ``[..., 3]``."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    ratio = linear @ _TO_XYZ.T / _WHITE
    x, y, z = np.moveaxis(np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio * (29 / 6) ** 2 / 3 + 4 / 29), -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


class Surface(NamedTuple):
    """What is seen of some geoms: which texels they show, and how much of each.

    Textures and colours of the model may change; its shapes and the sizes of textures may not.

    Attributes:
        parts: geom -> the texels that it shows, ``[N]``, None without a texture, and the areas of each, ``[N]``.
    """

    parts: Mapping[int, tuple[NDArray[np.int64] | None, NDArray[np.float64]]]

    def colour(self, model: Any) -> NDArray[np.float64]:
        """Mean L*a*b* ``[3]`` of the surface as `model` colours it now, of every point as much as its area."""
        colours = []
        for geom, (texels, _) in self.parts.items():
            texture = _texture(model, geom)
            rgb = np.ones((1, 3)) if texels is None or texture is None else texture.reshape(-1, 3)[texels] / 255.0
            colours.append(lab_of(np.clip(rgb * _rgba(model, geom)[:3], 0, 1)))
        areas = [area for _, area in self.parts.values()]
        return np.average(np.concatenate(colours), axis=0, weights=np.concatenate(areas))


def surface_colour(model: Any, geoms: Iterable[int]) -> NDArray[np.float64]:
    """Mean L*a*b* ``[3]`` of the surfaces of some geoms, of every point as much as its area, light and shadow aside.

    Textures and the colours that they are multiplied with are those of the compiled `model`.

    Raises:
        ValueError: there is no geom that can be seen.
    """
    return measure_surface(model, geoms).colour(model)


def measure_surface(model: Any, geoms: Iterable[int]) -> Surface:
    """What is seen of some geoms of the compiled `model`.

    Raises:
        ValueError: there is no geom that can be seen.
    """
    seen = {geom: _samples(model, geom) for geom in geoms if _rgba(model, geom)[3] > 0}
    if not seen:
        raise ValueError("geoms must have one that is not transparent.")
    return Surface(seen)


def shows_own_colour(model: Any, geom: int) -> bool:
    """Whether a geom shows a colour of its own in place of its material's."""
    return int(model.geom_matid[geom]) < 0 or not np.allclose(model.geom_rgba[geom], _UNSET_RGBA)


def _samples(model: Any, geom: int) -> tuple[NDArray[np.int64] | None, NDArray[np.float64]]:
    """Texels ``[N]`` that a geom shows, None without a texture, and the areas ``[N]`` that they cover."""
    texture = _texture(model, geom)
    if model.geom_type[geom] != mujoco.mjtGeom.mjGEOM_MESH:  # all of the texture is on it
        area = float(model.geom_rbound[geom]) ** 2
        if texture is None:
            return None, np.array([area])
        size = texture.shape[0] * texture.shape[1]
        return np.arange(size), np.full(size, area / size)
    mesh = int(model.geom_dataid[geom])
    faces = _part(model.mesh_face, model.mesh_faceadr[mesh], model.mesh_facenum[mesh])
    corners = _part(model.mesh_vert, model.mesh_vertadr[mesh], model.mesh_vertnum[mesh])[faces]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=-1) / 2
    if texture is None or model.mesh_texcoordadr[mesh] < 0:
        return None, areas.sum(keepdims=True)
    coordinates = _part(model.mesh_texcoord, model.mesh_texcoordadr[mesh], model.mesh_texcoordnum[mesh])
    indices = _part(model.mesh_facetexcoord, model.mesh_faceadr[mesh], model.mesh_facenum[mesh])
    inside = _inside_a_triangle()
    points = np.einsum("pc,fcx->fpx", inside, coordinates[indices]).reshape(-1, 2) % 1.0
    height, width = texture.shape[:2]
    rows, columns = (points[:, 1] * height).astype(int) % height, (points[:, 0] * width).astype(int) % width
    weights = np.repeat(areas / len(inside), len(inside))
    covered = np.asarray(np.bincount(rows * width + columns, weights=weights), np.float64)
    texels = np.flatnonzero(covered).astype(np.int64)
    return texels, covered[texels]


def _texture(model: Any, geom: int) -> NDArray[np.uint8] | None:
    """The flat texture of a geom's material, ``[H, W, 3]``; None if it has none."""
    material = int(model.geom_matid[geom])
    texture = -1 if material < 0 else int(model.mat_texid[material, mujoco.mjtTextureRole.mjTEXROLE_RGB])
    if texture < 0 or model.tex_type[texture] != mujoco.mjtTexture.mjTEXTURE_2D:
        return None
    return texture_content(model, texture)[..., :3]


def texture_content(model: Any, texture: int) -> NDArray[np.uint8]:
    """The content of a texture, ``[H, W, channels]``: a view of the compiled `model`."""
    shape = (int(model.tex_height[texture]), int(model.tex_width[texture]), int(model.tex_nchannel[texture]))
    content: NDArray[np.uint8] = _part(model.tex_data, model.tex_adr[texture], shape[0] * shape[1] * shape[2])
    return content.reshape(shape)


def _rgba(model: Any, geom: int) -> NDArray[np.float64]:
    own = shows_own_colour(model, geom)
    return np.asarray(model.geom_rgba[geom] if own else model.mat_rgba[model.geom_matid[geom]], np.float64)


def _inside_a_triangle() -> NDArray[np.float64]:
    """Weights of the corners at points spread evenly over a triangle, ``[P, 3]``."""
    first, second = np.meshgrid(np.arange(_EDGE), np.arange(_EDGE), indexing="ij")
    kept = first + second < _EDGE
    weights = (np.stack([first[kept], second[kept]], axis=-1) + 1 / 3) / _EDGE
    return np.column_stack([weights, 1 - weights.sum(axis=1)])


def _part(array: NDArray[Any], start: Any, count: Any) -> NDArray[Any]:
    return array[int(start) : int(start) + int(count)]

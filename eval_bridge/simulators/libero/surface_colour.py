"""The mean colour of what is seen of an object, in CIE Lab: perceived differences are distances there (CIE76)."""

from collections.abc import Iterable
from typing import Any

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


def surface_colour(model: Any, geoms: Iterable[int]) -> NDArray[np.float64]:
    """Mean L*a*b* ``[3]`` of the surfaces of some geoms, of every point as much as its area, light and shadow aside.

    Textures and the colours that they are multiplied with are those of the compiled `model`.

    Raises:
        ValueError: there is no geom that can be seen.
    """
    colours, areas = [], []
    for geom in geoms:
        if _rgba(model, geom)[3] > 0:
            rgb, area = _samples(model, geom)
            colours.append(lab_of(np.clip(rgb * _rgba(model, geom)[:3], 0, 1)))
            areas.append(area)
    if not colours:
        raise ValueError("geoms must have one that is not transparent.")
    return np.average(np.concatenate(colours), axis=0, weights=np.concatenate(areas))


def _samples(model: Any, geom: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Colours ``[N, 3]`` of a geom's texture, white without one, and the areas ``[N]`` that they stand for."""
    texture = _texture(model, geom)
    if model.geom_type[geom] != mujoco.mjtGeom.mjGEOM_MESH:  # all of the texture is on it
        area = float(model.geom_rbound[geom]) ** 2
        colours = np.ones((1, 3)) if texture is None else texture.reshape(-1, 3)
        return colours, np.full(len(colours), area / len(colours))
    mesh = int(model.geom_dataid[geom])
    faces = _part(model.mesh_face, model.mesh_faceadr[mesh], model.mesh_facenum[mesh])
    corners = _part(model.mesh_vert, model.mesh_vertadr[mesh], model.mesh_vertnum[mesh])[faces]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=-1) / 2
    if texture is None or model.mesh_texcoordadr[mesh] < 0:
        return np.ones((len(areas), 3)), areas
    coordinates = _part(model.mesh_texcoord, model.mesh_texcoordadr[mesh], model.mesh_texcoordnum[mesh])
    indices = _part(model.mesh_facetexcoord, model.mesh_faceadr[mesh], model.mesh_facenum[mesh])
    inside = _inside_a_triangle()
    points = np.einsum("pc,fcx->fpx", inside, coordinates[indices]).reshape(-1, 2) % 1.0
    height, width = texture.shape[:2]
    colours = texture[(points[:, 1] * height).astype(int) % height, (points[:, 0] * width).astype(int) % width]
    return colours, np.repeat(areas / len(inside), len(inside))


def _texture(model: Any, geom: int) -> NDArray[np.float64] | None:
    """The flat texture of a geom's material in 0 to 1, ``[H, W, 3]``; None if it has none."""
    material = int(model.geom_matid[geom])
    texture = -1 if material < 0 else int(model.mat_texid[material, mujoco.mjtTextureRole.mjTEXROLE_RGB])
    if texture < 0 or model.tex_type[texture] != mujoco.mjtTexture.mjTEXTURE_2D:
        return None
    shape = (int(model.tex_height[texture]), int(model.tex_width[texture]), int(model.tex_nchannel[texture]))
    content = _part(model.tex_data, model.tex_adr[texture], shape[0] * shape[1] * shape[2]).reshape(shape)
    return content[..., :3] / 255.0


def _rgba(model: Any, geom: int) -> NDArray[np.float64]:
    own, material = model.geom_rgba[geom], int(model.geom_matid[geom])
    is_set = material < 0 or not np.allclose(own, _UNSET_RGBA)
    return np.asarray(own if is_set else model.mat_rgba[material], np.float64)


def _inside_a_triangle() -> NDArray[np.float64]:
    """Weights of the corners at points spread evenly over a triangle, ``[P, 3]``."""
    first, second = np.meshgrid(np.arange(_EDGE), np.arange(_EDGE), indexing="ij")
    kept = first + second < _EDGE
    weights = (np.stack([first[kept], second[kept]], axis=-1) + 1 / 3) / _EDGE
    return np.column_stack([weights, 1 - weights.sum(axis=1)])


def _part(array: NDArray[Any], start: Any, count: Any) -> NDArray[Any]:
    return array[int(start) : int(start) + int(count)]

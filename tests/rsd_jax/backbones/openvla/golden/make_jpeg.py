"""Writes jpeg.npz: images, what JPEG leaves of them, and what OpenVLA's towers are shown.

    python -m tests.rsd_jax.backbones.openvla.golden.make_jpeg

Needs ``pip install simplejpeg``, whose libjpeg-turbo decodes with the fast transform, as TensorFlow does; Pillow's
encodes with the accurate one, as TensorFlow does.
"""

import io
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import Image

from tests.rsd_jax.backbones.openvla.tensorflow_images import crop_centre, resize

SIDE, SEEN = 64, 56  # as 256 and 224


def main():
    generator = np.random.default_rng(0)
    drift = 128 + np.cumsum(generator.normal(size=(SIDE, SIDE, 3)) * 8, axis=1)
    edges = np.kron(generator.integers(0, 256, (8, 8, 3)), np.ones((8, 8, 1)))
    rendered = np.clip(np.stack([drift, edges]), 0, 255).astype(np.uint8)
    left = np.stack([round_trip(image[::-1, ::-1]) for image in rendered])
    prepared = np.stack([crop_centre(resize(image, SEEN)) for image in left])
    np.savez_compressed(Path(__file__).with_name("jpeg.npz"), rendered=rendered, left=left, prepared=prepared)


def round_trip(image):
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=95, subsampling="4:2:0")
    return simplejpeg.decode_jpeg(stream.getvalue(), fastdct=True, fastupsample=False)


if __name__ == "__main__":
    main()

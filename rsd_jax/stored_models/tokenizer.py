"""Loads the tokenizer that a run has trained."""

from pathlib import Path
from typing import Any

import jax.numpy as jnp

from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.checkpoints import load_stage
from rsd_jax.rfsq.autoencoder import AutoencoderConfig
from rsd_jax.rfsq.residual_quantizer import QuantizerTable
from rsd_jax.rfsq.tokenizer import FORMAT_VERSION, RfsqTokenizer

STAGE = "rfsq"
"""Folder of the tokenizer inside a run's folder."""


def load_tokenizer(run_dir: Path | str) -> RfsqTokenizer:
    """Loads the best tokenizer of a run.

    Raises:
        CheckpointError: it is missing or damaged; the message names the command that makes it.
        ValueError: it was saved in another format of tokens.
    """
    stage = load_stage(run_dir, STAGE)
    layout: dict[str, Any] = stage.metadata.facts["layout"]
    if layout["format_version"] != FORMAT_VERSION:
        raise ValueError(
            f"the tokenizer in {run_dir} has token format {layout['format_version']}; this version reads "
            f"{FORMAT_VERSION}. Train it again: "
            f"python -m launch.train --config configs/rfsq.py --config.run_dir={run_dir}"
        )
    constants = stage.variables["model_state"]["table"]
    return RfsqTokenizer(
        params=stage.variables["params"]["tokenizer"],
        table=QuantizerTable(
            offset=jnp.asarray(constants["offset"]),
            step=jnp.asarray(constants["step"]),
            num_levels=layout["num_levels"],
        ),
        normalizer=ActionNormalizer.from_json(stage.metadata.facts["normalizer"]),
        config=AutoencoderConfig(layout["action_dim"], layout["hidden_features"], layout["latent_dim"]),
        chunk_length=layout["chunk_length"],
    )

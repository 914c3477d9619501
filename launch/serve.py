r"""Serves a trained policy to robots and harnesses: openpi's protocol, and that of vla-evaluation-harness.

    python -m launch.serve --config configs/serve.py
    python -m launch.serve --config configs/serve.py --config.run_dir=runs/NAME --config.decoder=cascade \
        --config.policy_batch=16

Without a run the checkpoint that ships with the project acts. Only this machine can connect, unless ``config.host``
says otherwise; with the variable ``RSD_SERVE_TOKEN`` set, clients must show that token. Health is at ``/healthz`` and
``/health``, metrics at ``/metrics``. On SIGTERM or Ctrl-C the server answers what clients have asked for, and sends
them away.
"""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from ml_collections import ConfigDict

from eval_bridge.policies.compiled_policy import CompiledPolicy, default_policy_batch
from eval_bridge.policies.decoders import read_decoder
from eval_bridge.serving.conventions import WireConventions
from eval_bridge.serving.metadata import ServedMetadata
from eval_bridge.serving.server import serve_until_stopped
from eval_bridge.serving.settings import ServingSettings
from launch.config_flags import run
from rsd_jax import __version__
from rsd_jax.checkpoints.stage_checkpoints import checkpoint_digests
from rsd_jax.pretrained import PRETRAINED
from rsd_jax.provenance import git_commit
from rsd_jax.registry import to_dataclass


def main(config: ConfigDict) -> None:
    """Loads the policy that `config` names, compiles it, and serves it until it is told to stop."""
    values = config.to_dict()
    run_dir = Path(values.pop("run_dir") or PRETRAINED)
    decoder, decoder_settings = values.pop("decoder"), values.pop("decoder_settings")
    batch_size = values.pop("policy_batch") or default_policy_batch()
    settings = to_dataclass(ServingSettings, values)
    policy = CompiledPolicy.load(run_dir, decoder=decoder, batch_size=batch_size, settings=decoder_settings)
    digests = checkpoint_digests(run_dir, read_decoder(decoder, decoder_settings).stages)

    def describe(conventions: WireConventions) -> ServedMetadata:
        return ServedMetadata(
            decoder=decoder,
            decoder_settings=decoder_settings,
            checkpoint=digests,
            commit=git_commit(),
            version=__version__,
            policy_batch=policy.batch_size,
            seed=settings.seed,
            needs=policy.observation_needs,
            conventions=conventions,
        )

    token = os.environ.get("RSD_SERVE_TOKEN", "")
    asyncio.run(serve_until_stopped(policy, settings, describe, _tell, token))


def _tell(addresses: Mapping[str, str]) -> None:
    for protocol, address in addresses.items():
        print(f"{protocol:8} {address}", flush=True)


if __name__ == "__main__":
    run(main, default="configs/serve.py")

"""Where an evaluation lies, and what names it."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from eval_bridge.evaluation.episode_log import CHECKPOINT
from eval_bridge.evaluation.plan import Benchmark
from eval_bridge.policies.decoders import read_decoder
from eval_bridge.provenance import simulator_versions
from eval_bridge.simulators.perturbation.choice import Perturbation
from eval_bridge.workers.shard import Shard
from rsd_jax.checkpoints.stage_checkpoints import checkpoint_digests
from rsd_jax.file_names import file_name
from rsd_jax.pretrained import PRETRAINED
from rsd_jax.run_folder import SHARD_FOLDER
from rsd_jax.stored_models.random_weights import has_random_weights

WEIGHTS, RANDOM = "weights", "random"
"""What stands in the identity of an evaluation whose policy nobody trained; in others there is nothing of it."""

PERTURBATION = "perturbation"
"""Likewise, in that of an evaluation in which something is perturbed."""

PRETRAINED_RESULTS = "runs/pretrained"
OTHERS_RESULTS = "runs/policies/"


def checkpoint_folder(run_dir: str) -> Path:
    """The run whose checkpoints act; the project's own where none is named."""
    return Path(run_dir) if run_dir else PRETRAINED


def results_folder(run_dir: str, policy: str = "") -> Path:
    """The run's folder, in which an evaluation gets one of its own; not where the project lies.

    Without a run it is named after the `policy` of somebody else, if one acts.
    """
    return Path(run_dir or (OTHERS_RESULTS + file_name(policy) if policy else PRETRAINED_RESULTS))


def output_folder(run_dir: Path, output: str, shard: Shard) -> Path:
    """Where the results of a shard go; the only one has the folder to itself."""
    folder = run_dir / output
    return folder if shard.parts == 1 else folder / SHARD_FOLDER / f"{shard.part}_of_{shard.parts}"


def evaluation_identity(
    benchmark: Benchmark,
    policy: Mapping[str, Any],
    *,
    seed: int,
    policy_batch: int,
    timing: Mapping[str, Any] = MappingProxyType({}),
    perturbation: Perturbation | None = None,
) -> dict[str, Any]:
    """What two episodes must have in common to be counted together: flat, JSON-serialisable.

    Args:
        benchmark: what is evaluated.
        policy: what names the policy, its decoder among it (`checkpoint_identity`).
        seed: of the evaluation.
        policy_batch: rows of a call of the policy: sums of another shape may differ in their last bits, and an
            episode with them.
        timing: how chunks are executed and how long calls take (`ExecutionSettings.identity`).
        perturbation: of camera, robot or frames; the identity of an evaluation without one tells nothing of it.
    """
    identity: dict[str, Any] = {
        "simulator": benchmark.simulator,
        "suite": benchmark.suite,
        "step_limit": benchmark.step_limit,
        "seed": seed,
        "policy_batch": policy_batch,
        **policy,
    }
    identity |= timing
    if perturbation is not None:
        identity[PERTURBATION] = perturbation.name
    if benchmark.simulator.startswith("libero"):
        identity |= {f"version.{name}": version for name, version in simulator_versions().items()}
    return identity


def checkpoint_identity(checkpoints: Path, decoder: str, settings: str) -> dict[str, Any]:
    """What names a policy of this project: its decoder, and the checkpoints that act.

    Args:
        checkpoints: the run that they are of.
        decoder: its name. settings: of it, as configurations write them.

    Raises:
        MissingCheckpointError: a stage that the decoder needs has no checkpoint.
    """
    identity = {"decoder": decoder}
    if settings:  # logs of a time without them go on
        identity["decoder_settings"] = " ".join(sorted(settings.split()))
    if has_random_weights(checkpoints):
        identity[WEIGHTS] = RANDOM
    digests = checkpoint_digests(checkpoints, read_decoder(decoder, settings).stages)
    return identity | {f"{CHECKPOINT}{stage}": digest for stage, digest in digests.items()}

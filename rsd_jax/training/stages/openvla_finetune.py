"""OpenVLA's stage: behaviour cloning of a policy that exists, all of it or by adapters, with OFT's L1 head."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from numpy.typing import NDArray

from rsd_jax.actions.conventions import LIBERO
from rsd_jax.array_types import PyTree
from rsd_jax.backbones.instruction_table import InstructionTable
from rsd_jax.backbones.openvla.adapted_backbone import BASE, with_adapters
from rsd_jax.backbones.openvla.augmentation import OftAugmentation
from rsd_jax.backbones.openvla.backbone import OpenVlaBackbone
from rsd_jax.backbones.openvla.kept_activations import KEPT_ACTIVATIONS
from rsd_jax.backbones.openvla.low_rank import LowRankConfig
from rsd_jax.backbones.proprioception import ProprioNormalizer
from rsd_jax.distributed.mesh import MeshConfig, make_mesh
from rsd_jax.heads.action_tokens_head import ActionTokensConfig
from rsd_jax.heads.residual_regression_head import ResidualRegressionConfig
from rsd_jax.policy_network import BACKBONE, HEAD, PolicyNetwork
from rsd_jax.stored_models import StoredPolicy, load_policy
from rsd_jax.stored_models.openvla.finetuned_export import FINETUNE
from rsd_jax.stored_models.openvla.finetuned_facts import FinetunedFacts
from rsd_jax.stored_models.policy_facts import PolicyFacts
from rsd_jax.training.demonstrations import DEMONSTRATED, instructions
from rsd_jax.training.objectives.fine_tuning import FineTuning, FineTuningConstants, divided
from rsd_jax.training.objectives.interface import Stage
from rsd_jax.training.policy_rows import PolicyRows, policy_rows_of
from rsd_jax.training.rounded_state import STATE_DTYPES
from rsd_jax.training.row_sources import Rows
from rsd_jax.training.stages.action_learning import EVALUATION_BATCH
from rsd_jax.training.stages.policy import LABELS, evaluate_policy, imitated, normalised

LORA, FULL = "lora", "full"
WAYS = (LORA, FULL)
"""What is trained: adapters, L1 head and state projector, or all parameters."""

SMALLEST_SCALE = 0.01
"""Metres or radians: a dimension of the state that hardly moves is not blown up."""


@dataclass(frozen=True)
class OpenVlaFinetuneSettings:
    """Settings of OpenVLA's stage.

    Attributes:
        source: run folder of the policy that it begins with; empty for the run's own.
        way: one of `WAYS`. low_rank: the adapters of `LORA`.
        master_dtype: type in which parameters are trained, but for adapters, which have their own.
        moments_dtype: of the optimizer's moments, see `scale_by_adam_kept_in`.
        compute_dtype: of activations and products of the backbone; what is not trained lies in it on the devices.
        kept_activations: see `OpenVlaBackbone`.
        augmentation: random changes of what the policy is given, in place of the crop that evaluation makes.
        rewordings, labels: see `PolicySettings`.
        heldout_rows: steps of held-out episodes that it is judged on, at most, evenly spread over all.
    """

    source: str
    way: str
    low_rank: LowRankConfig
    master_dtype: str
    moments_dtype: str
    compute_dtype: str
    kept_activations: str
    augmentation: OftAugmentation
    rewordings: int
    labels: str
    heldout_rows: int

    def __post_init__(self) -> None:
        """Checks the names and the counts."""
        named = {
            "way": WAYS,
            "master_dtype": STATE_DTYPES,
            "moments_dtype": STATE_DTYPES,
            "kept_activations": KEPT_ACTIVATIONS,
            "labels": LABELS,
        }
        for name, known in named.items():
            if (given := getattr(self, name)) not in known:
                raise ValueError(f"model.{name} is {given!r}; it must be one of {', '.join(known)}")
        for name in ("rewordings", "heldout_rows"):
            if getattr(self, name) < 1:
                raise ValueError(f"model.{name} is {getattr(self, name)}; it must be at least 1")

    def build(self, run_dir: Path) -> Stage:
        """`build_on` one device."""
        return self.build_on(run_dir, make_mesh(MeshConfig(), devices=jax.devices()[:1]))

    def build_on(self, run_dir: Path, mesh: Mesh) -> Stage:
        """Every step of the demonstrations, normalised as the policy does that is fine-tuned.

        Raises:
            CheckpointError: that policy is missing or damaged.
            MissingDemonstrations: the run has none.
            ValueError: the policy is none of OpenVLA, or the mesh does not divide an axis of its parameters.
        """
        source = Path(self.source or run_dir)
        policy = load_policy(source, with_backbone=False)
        policy = replace(policy, network=network_to_tune(policy.network, source))
        rows = policy_rows_of(run_dir, policy.backbone, policy.heldout_every)

        def load() -> PyTree:
            variables = load_policy(source, mesh).variables
            return {BACKBONE: variables.backbone, HEAD: variables.head}

        return openvla_finetune_stage(self, policy, source, rows, instructions(run_dir), load, mesh)


def network_to_tune(network: PolicyNetwork, source: Path) -> PolicyNetwork:
    """`network`, and of OpenVLA as it was before OFT what OFT makes of it, whose state projector and head are new.

    Raises:
        ValueError: it is none of OpenVLA.
    """
    backbone = network.backbone
    if not isinstance(backbone, OpenVlaBackbone):
        raise ValueError(
            f"the policy of {source} has the backbone {type(backbone).__name__}; only OpenVLA's is fine-tuned by this "
            "stage: name a run of launch.convert_openvla in --config.model.source"
        )
    if not isinstance(network.head, ActionTokensConfig):
        return network
    changed = replace(
        backbone, cameras=DEMONSTRATED.cameras, state_size=DEMONSTRATED.state_size, chunk_length=8, is_causal=False
    )
    return PolicyNetwork(changed, ResidualRegressionConfig(changed.action_dim, changed.sizes.language.width))


def openvla_finetune_stage(
    settings: OpenVlaFinetuneSettings,
    policy: StoredPolicy,
    source: Path,
    rows: PolicyRows,
    texts: Sequence[str],
    load: Callable[[], PyTree],
    mesh: Mesh,
) -> Stage:
    """The stage on rows at hand.

    Args:
        settings: of the stage.
        policy: what is fine-tuned, of `network_to_tune`; its parameters are not asked for.
        source: where it lies.
        rows: of demonstrations, in the dataset's units. texts: their instructions.
        load: reads the policy's parameters onto `mesh`, on which they are trained.
    """
    network, action = policy.network, policy.variables.action
    objective = FineTuning(
        network_in_training(settings, network),
        settings.augmentation,
        settings.compute_dtype,
        master_dtype=settings.master_dtype,
        mesh=mesh,
    )
    base, starts_from = _parameters(settings, objective, load)
    train, heldout = (normalised(part, action) for part in (rows.train, _spread(rows.heldout, settings.heldout_rows)))
    proprio = policy.variables.proprio
    if not proprio.offset.size:  # the policy took no state before
        proprio = _state_range(rows.train["proprio"])
    encode = network.backbone.encode_instruction
    words, heldout_words = (
        InstructionTable.of(texts, settings.rewordings, part, encode) for part in ("training", "heldout")
    )
    predict = partial(jax.jit(objective.predict_with), base)
    batch = min(EVALUATION_BATCH, len(heldout["mask"]))
    facts = FinetunedFacts(
        policy=_facts(settings, policy, proprio),
        source=str(source),
        source_hash=policy.params_hash,
        low_rank=settings.low_rank if settings.way == LORA else None,
        master_dtype=settings.master_dtype,
        moments_dtype=settings.moments_dtype,
    )
    return Stage(
        name=FINETUNE,
        objective=objective,
        frozen=FineTuningConstants(proprio, words, base),
        rows=imitated(train, settings.labels),
        evaluate=partial(evaluate_policy, objective, predict, proprio, heldout_words, heldout, batch=batch),
        best_metric="heldout_l1",
        metadata=facts.to_json(),
        starts_from=starts_from,
        moments_dtype=settings.moments_dtype,
    )


def network_in_training(settings: OpenVlaFinetuneSettings, network: PolicyNetwork) -> PolicyNetwork:
    """`network` as it is trained: with adapters, and keeping what is asked for of its activations."""
    assert isinstance(network.backbone, OpenVlaBackbone)
    backbone = replace(network.backbone, kept_activations=settings.kept_activations)
    if settings.way == LORA:
        backbone = with_adapters(backbone, settings.low_rank)
    return replace(network, backbone=backbone)


def _parameters(
    settings: OpenVlaFinetuneSettings, objective: FineTuning, load: Callable[[], PyTree]
) -> tuple[PyTree, Callable[[], PyTree]]:
    """What is not trained, in the type that it is computed with, and what reads the values that the rest starts from.

    Where all is trained, it is read when training begins, and nobody else holds it.
    """
    if settings.way == FULL:
        return {}, load
    read = load()
    placed = {**read, BACKBONE: {BASE: read[BACKBONE]}}
    trained, frozen = divided(objective.network.backbone, placed)
    return jax.tree.map(partial(_in_dtype, settings.compute_dtype), frozen), lambda: trained


def _in_dtype(dtype: str, array: jax.Array) -> jax.Array:
    if array.dtype == dtype:
        return array
    return jax.jit(lambda array: array.astype(dtype), out_shardings=array.sharding)(array)


def _facts(settings: OpenVlaFinetuneSettings, policy: StoredPolicy, proprio: ProprioNormalizer) -> PolicyFacts:
    assert isinstance(policy.backbone, OpenVlaBackbone)
    # Where the tokenizer lies is told by the checkpoint's own place.
    backbone = replace(policy.backbone, tokenizer_file="")
    return PolicyFacts(
        network=replace(policy.network, backbone=backbone),
        proprio=proprio,
        normalizer=policy.variables.action,
        conventions=asdict(LIBERO),
        tokenizer_hash=None,
        heldout_every=policy.heldout_every,
        augmentation=settings.augmentation.to_json(),
        rewordings=settings.rewordings,
        compute_dtype=settings.compute_dtype,
        labels=settings.labels,
        has_random_weights=policy.has_random_weights,
    )


def _spread(rows: Rows, count: int) -> Rows:
    """At most `count` rows, evenly spread."""
    total = len(rows["mask"])
    chosen = np.linspace(0, total - 1, min(count, total)).round().astype(int)
    return {name: array[chosen] for name, array in rows.items()}


def _state_range(proprio: NDArray[np.float32]) -> ProprioNormalizer:
    """q01 becomes -1 and q99 becomes +1, as in published statistics."""
    low, high = np.quantile(proprio.astype(np.float64), (0.01, 0.99), axis=0)
    scale = np.maximum((high - low) / 2, SMALLEST_SCALE)
    return ProprioNormalizer(jnp.asarray(low + scale, jnp.float32), jnp.asarray(scale, jnp.float32))

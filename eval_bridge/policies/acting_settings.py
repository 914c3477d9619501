"""What of a cascade's settings decides how it acts, so that two ways of writing the same are seen to be the same."""

from pathlib import Path
from typing import NamedTuple

from eval_bridge.policies.cascade import CASCADE
from eval_bridge.policies.cascade_decoder import CascadeDecoder
from rsd_jax.backbones.interface import Backbone
from rsd_jax.checkpoints.errors import MissingCheckpointError
from rsd_jax.checkpoints.stage_checkpoints import StageCheckpoints
from rsd_jax.decoding.skip_rules import Confidence
from rsd_jax.stored_models.policy_facts import PolicyFacts


class ActingSettings(NamedTuple):
    """A cascade, apart from whether it is watched and from settings that its rule does not ask about.

    Attributes:
        decoder: its name. rule: the rule's.
        tolerance, threshold: of the rule; None where it has none.
        coarse_layers: that agreement is measured after; None for a rule that measures none.
        longest_run: calls in a row without a look, at most.
    """

    decoder: str
    rule: str
    tolerance: float | None
    threshold: float | None
    coarse_layers: int | None
    longest_run: int

    @property
    def written(self) -> str:
        """The settings as configurations write them: `eval_bridge.policies.decoders.read_decoder` reads them."""
        values = self._asdict()
        return " ".join(f"{name}={values[name]}" for name in self._fields[1:] if values[name] is not None)


def acting_settings(decoder: CascadeDecoder, run_dir: Path) -> ActingSettings:
    """How `decoder` acts with the checkpoints of `run_dir`; raises as `longest_run_of` does."""
    rule = decoder.skip_rule
    return ActingSettings(
        decoder.name,
        decoder.rule,
        tolerance=getattr(rule, "tolerance", None),
        threshold=getattr(rule, "threshold", None),
        coarse_layers=None if isinstance(rule, Confidence) else decoder.coarse_layers,
        longest_run=longest_run_of(decoder, run_dir),
    )


def rule_name(decoder: CascadeDecoder) -> str:
    """What a cascade is compared under: its rule, and for the early exit its own name, which has no other rule."""
    return decoder.rule if decoder.name == CASCADE else decoder.name


def longest_run_of(decoder: CascadeDecoder, run_dir: Path) -> int:
    """Calls in a row without a look, at most, as `CascadeDecoder.longest_run` explains it.

    Args:
        decoder: of the kind in question.
        run_dir: whose checkpoints act; read where the decoder leaves it to them.

    Raises:
        CheckpointError: a stage has no checkpoint, or a damaged one.
    """
    if decoder.longest_run is not None:
        return decoder.longest_run
    remembers = _backbone(run_dir, "draft_policy").oldest_memory if decoder.name == CASCADE else 0
    return remembers or _backbone(run_dir, "policy").chunks - 1


def _backbone(run_dir: Path, stage: str) -> Backbone:
    metadata = StageCheckpoints(run_dir / stage).read_metadata("best")
    if metadata is None:
        raise MissingCheckpointError(run_dir / stage / "best", stage, run_dir)
    return PolicyFacts.from_json(metadata.facts).network.backbone

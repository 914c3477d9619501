"""What the stages of the draft model and of the main head have in common."""

from typing import Any, Protocol

from rsd_jax.stored_models.head_facts import HeadFacts
from rsd_jax.training.objectives.digit_prediction import DigitPrediction, HeadTask
from rsd_jax.training.objectives.interface import HeldoutEvaluation, Stage
from rsd_jax.training.stages.head_rows import HeadData


class LabelSettings(Protocol):
    """Settings of `DigitPrediction` that both heads have."""

    @property
    def labels(self) -> str:
        """Whose actions the labels tokenize."""
        ...

    @property
    def feature_noise(self) -> float:
        """Noise on the features, in their standard deviations."""
        ...

    @property
    def digit_weight(self) -> float:
        """Weight of the cross-entropy."""
        ...


def code_sizes(data: HeadData) -> dict[str, Any]:
    """Sizes that a head takes from the tokenizer: fields of `DraftConfig` and `MainHeadConfig`."""
    table = data.frozen.tokenizer.table
    num_layers, latent_dim = table.offset.shape
    return {"num_layers": num_layers, "latent_dim": latent_dim, "num_levels": table.num_levels}


def head_stage(
    name: str, task: HeadTask, data: HeadData, settings: LabelSettings, evaluate: HeldoutEvaluation
) -> Stage:
    """A stage that trains `task` on the frozen policy's features; `evaluate` reports ``heldout_error``."""
    objective = DigitPrediction(
        task,
        data.policy.teacher,
        chunk_length=data.train.features.shape[1],
        feature_dim=data.train.features.shape[2],
        labels=settings.labels,
        feature_noise=settings.feature_noise,
        digit_weight=settings.digit_weight,
    )
    tokenizer = data.frozen.tokenizer
    facts = HeadFacts(
        tokenizer_hash=tokenizer.token_hash,
        policy_hash=data.policy.params_hash,
        normalizer=tokenizer.normalizer,
        layout=tokenizer.layout(),
        labels=settings.labels,
        feature_noise=settings.feature_noise,
        digit_weight=settings.digit_weight,
        model=task.model.config,
    )
    return Stage(
        name=name,
        objective=objective,
        frozen=data.frozen,
        rows=data.train._asdict(),
        evaluate=evaluate,
        best_metric="heldout_error",
        metadata=facts.to_json(),
    )

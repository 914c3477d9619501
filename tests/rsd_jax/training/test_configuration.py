import pytest

from rsd_jax.training.configuration import TrainingConfig


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"steps": 0}, "training.steps must be at least 1, got 0"),
        ({"learning_rate": float("nan")}, "training.learning_rate must be positive, got nan"),
        ({"warmup_steps": 10}, "below training.steps=10, got 10"),
        ({"ema_decay": 1.0}, r"training.ema_decay must lie in \[0, 1\), got 1.0"),
        ({"weight_decay": -0.1}, "training.weight_decay must not be negative"),
        ({"log_every": 0}, "training.log_every must be at least 1"),
        ({"steps_per_dispatch": 0}, "training.steps_per_dispatch must be at least 1, got 0"),
        ({"data": "gpu"}, "training.data must be one of auto, host, disk, device, got 'gpu'"),
        ({"data_threads": 0}, "training.data_threads must be at least 1"),
        ({"steps_per_dispatch": -4}, "training.steps_per_dispatch must be at least 1, got -4"),
    ],
)
def test_values_that_no_run_can_have_are_rejected(change, rule):
    with pytest.raises(ValueError, match=rule):
        TrainingConfig(**{"steps": 10, "batch_size": 2, "learning_rate": 1e-3, **change})

"""The checkpoint that ships with the project: tokenizer, policy, draft model and main head for libero_spatial.

How it was trained and what it reaches: results/evaluation_runs/libero_spatial_abrupt_h100.json.
"""

from pathlib import Path

PRETRAINED = Path(__file__).parent / "libero_spatial"
"""A run's folder with the best checkpoint of every stage, and nothing else."""

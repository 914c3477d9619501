"""The checkpoint that ships with the project: tokenizer, policy, draft model and main head for libero_spatial.

How it was trained and what it reaches: results/evaluation_runs/libero_spatial_abrupt_h100.json.
"""

from pathlib import Path

PRETRAINED = Path(__file__).parent / "libero_spatial"
"""A run's folder with the best checkpoint of every stage, and nothing else."""

NAMED = "pretrained/"
"""How the name of a shipped checkpoint begins where a run is named, as in ``pretrained/libero_spatial``."""


def named_run(name: str) -> Path:
    """The folder of the run that is called so: a path, or the name of a shipped checkpoint (`NAMED`).

    A folder of that path, if there is one, goes before.
    """
    folder = Path(name)
    if not name.startswith(NAMED) or folder.is_dir():
        return folder
    return PRETRAINED.parent / name.removeprefix(NAMED)

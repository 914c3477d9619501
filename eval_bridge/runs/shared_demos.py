"""Demonstrations of a run, and those that it takes from another run."""

import os
from collections.abc import Sequence
from pathlib import Path

from rsd_jax.run_folder import COMPLETE, DEMOS_FOLDER


def share_demos(run_dir: Path, source: str, suites: Sequence[str]) -> None:
    """Lets the run in `run_dir` use the demonstrations of the run in `source`, by links; nothing if that is empty.

    Args:
        run_dir: folder of the run; demonstrations of its own lie beside the links, a folder each.
        source: folder of the other run.
        suites: whose demonstrations.

    Raises:
        ValueError: `source` has no complete demonstrations of a suite, or `run_dir` has others.
        OSError: a link cannot be made.
    """
    if not source:
        return
    for suite in suites:
        demos, link = Path(source) / DEMOS_FOLDER / suite, run_dir / DEMOS_FOLDER / suite
        if not has_all_demos(demos):
            raise ValueError(
                f"demos={source!r}: {demos} holds no complete collection; finish it "
                f"(python -m launch.pipeline ... --config.run_dir={source} --config.until_stage=collect)"
            )
        if link.exists() and link.resolve() != demos.resolve():
            raise ValueError(f"demos={source!r} is asked, and {link} holds other demonstrations: name another run_dir")
        if not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)  # a link to what is gone
            link.symlink_to(os.path.relpath(demos.resolve(), link.parent.resolve()), target_is_directory=True)


def has_all_demos(suite: Path) -> bool:
    """Whether the collection in the folder of a suite is complete."""
    return (suite / COMPLETE).exists()

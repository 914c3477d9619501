"""Demonstrations of a run, and those that it takes from another run."""

import os
from pathlib import Path

from rsd_jax.run_folder import COMPLETE, DEMOS_FOLDER


def share_demos(run_dir: Path, source: str) -> None:
    """Lets the run in `run_dir` use the demonstrations of the run in `source`, by links; nothing if that is empty.

    Args:
        run_dir: folder of the run; demonstrations of its own that it adds lie beside the links, a folder each.
        source: folder of the other run.

    Raises:
        ValueError: `source` has no complete demonstrations, or `run_dir` has others of the same suite.
        OSError: a link cannot be made.
    """
    if not source:
        return
    demos = Path(source) / DEMOS_FOLDER
    if not has_all_demos_of_a_suite(demos):
        raise ValueError(
            f"demos={source!r}: {demos} holds no complete collection; finish it "
            f"(python -m launch.pipeline ... --config.run_dir={source} --config.until_stage=collect)"
        )
    for suite in sorted(demos.iterdir()):
        link = run_dir / DEMOS_FOLDER / suite.name
        if link.exists() and link.resolve() != suite.resolve():
            raise ValueError(f"demos={source!r} is asked, and {link} holds other demonstrations: name another run_dir")
        if not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)  # a link to what is gone
            link.symlink_to(os.path.relpath(suite, link.parent), target_is_directory=True)


def has_all_demos(suite: Path) -> bool:
    """Whether the collection in the folder of a suite is complete."""
    return (suite / COMPLETE).exists()


def has_all_demos_of_a_suite(demos: Path) -> bool:
    """Whether a collection in one of the folders in `demos` is complete."""
    return any(demos.glob(f"*/{COMPLETE}"))

"""What the branches of a set learn from, also where the demonstrations themselves have stayed elsewhere."""

from pathlib import Path

from rsd_jax.content_check import read_checked_json
from rsd_jax.run_folder import BRANCH_FOLDER, BRANCH_RECORD
from rsd_jax.training.demonstrations import MissingDemonstrations, demonstration_files, demonstrations_digest


def digest_of_demonstrations(run_dir: Path) -> str:
    """Digest of a run's demonstrations; where there are none, of those that its branches say they were trained on.

    Raises:
        MissingDemonstrations: there are none, and no branch was trained, or branches were trained on different ones.
    """
    try:
        return demonstrations_digest(demonstration_files(run_dir))
    except MissingDemonstrations:
        records = (read_checked_json(path) for path in run_dir.glob(f"{BRANCH_FOLDER}/*/*/{BRANCH_RECORD}"))
        digests = {record["demos"] for record in records}
        if len(digests) != 1:
            raise
        return str(digests.pop())

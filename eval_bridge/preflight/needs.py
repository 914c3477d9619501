"""What a command needs of the machine. No evaluation is known here, so that collection cannot reach one."""

from pathlib import Path
from typing import NamedTuple

from eval_bridge.collection.settings import CollectionSettings
from eval_bridge.preflight.disk_space import (
    collected_bytes,
    collection_bytes,
)


class Needs(NamedTuple):
    """What one command needs.

    Attributes:
        simulator: LIBERO.
        renderer: frames, without a screen.
        render_devices: graphics devices that they are rendered on.
        device: what JAX computes on.
        reports: pages and films.
        tensorboard: tensorboardX.
        folders: where it writes.
        bytes_written: about how much, apart from what follows.
        demo_bytes: about how much of demonstrations.
        rows_of: the run whose demonstrations it cuts into rows, beside them.
    """

    simulator: bool = False
    renderer: bool = False
    render_devices: tuple[int, ...] = ()
    device: bool = False
    reports: bool = False
    tensorboard: bool = False
    folders: tuple[Path, ...] = ()
    bytes_written: int = 0
    demo_bytes: int = 0
    rows_of: Path | None = None


def collection_needs(settings: CollectionSettings) -> Needs:
    """What a collection needs."""
    run_dir = Path(settings.run_dir)
    return Needs(
        simulator=True,
        renderer=settings.images or settings.corrects,
        render_devices=settings.render_devices if settings.images else (),
        device=settings.corrects,
        reports=True,
        folders=(run_dir / "demos",),
        demo_bytes=max(collection_bytes(settings) - collected_bytes(run_dir), 0),
    )

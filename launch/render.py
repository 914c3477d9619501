r"""Adds the cameras' frames to demonstrations that were collected without them.

    python -m launch.collect --config configs/demos.py --config.run_dir=runs/NAME --config.images=False
    python -m launch.render  --config configs/render.py --config.run_dir=runs/NAME

Any machine with a renderer can do it: demonstrations are played again from their states. Run again after an
interruption it goes on where it stopped; a file is replaced, whole, when all of its demonstrations have frames.
"""

import os
from functools import partial
from pathlib import Path

from ml_collections import ConfigDict
from tqdm import tqdm

from eval_bridge.collection.rendering import RenderFile, RenderingError, render_files
from eval_bridge.simulators.libero.environment import LiberoSimulator
from eval_bridge.simulators.libero.renderer import RendererNotFound, choose_renderer
from launch.config_flags import run
from rsd_jax.demos.libero_hdf5 import Hdf5Demos, lacks_frames


def files_to_render(run_dir: Path) -> list[RenderFile]:
    """The demonstration files of a run that lack frames, with the simulators of their tasks.

    Raises:
        FileNotFoundError: the run has no demonstrations.
        DemoFileError: a file is damaged.
    """
    paths = sorted((run_dir / "demos").glob("*/*_demo.hdf5"))
    if not paths:
        raise FileNotFoundError(f"no demonstrations in {run_dir / 'demos'}; `python -m launch.collect` makes them")
    files = []
    for path in paths:
        if lacks_frames(path):
            first = Hdf5Demos.open(path)[0]
            files.append(RenderFile(path, partial(LiberoSimulator, first.suite, first.task)))
    return files


def main(config: ConfigDict) -> None:
    """Renders, and prints a line for each file.

    Raises:
        RenderingError: a worker crashed again and again.
        ValueError: demonstrations are damaged or have no states.
        OSError: there are none, or the folder cannot be written.
        RendererNotFound: nothing on this machine renders; the message names the packages.
    """
    files = files_to_render(Path(config.run_dir))
    if not files:
        print("all demonstrations have frames")
        return
    choose_renderer()
    restored: dict[Path, int] = {}
    with tqdm(total=sum(len(Hdf5Demos.open(file.path)) for file in files), unit="demo", smoothing=0.05) as bar:

        def show(path: Path, demo: int, restored_steps: int) -> None:
            restored[path] = restored.get(path, 0) + restored_steps
            bar.update()

        render_files(files, config.workers or len(os.sched_getaffinity(0)), show)
    for file in files:
        steps = restored.get(file.path, 0)
        exact = "every state came back" if not steps else f"{steps} steps put back onto their stored states"
        print(f"{file.path}: {exact}")


if __name__ == "__main__":
    run(main, default="configs/render.py", expected=(ValueError, RenderingError, OSError, RendererNotFound))

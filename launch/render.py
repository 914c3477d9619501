r"""Adds the cameras' frames to demonstrations that were collected without them, or with smaller ones.

    python -m launch.collect --config configs/demos.py --config.run_dir=runs/NAME --config.images=False
    python -m launch.render  --config configs/render.py --config.run_dir=runs/NAME

Any machine with a renderer can do it: demonstrations are played again from their states. Run again after an
interruption it goes on where it stopped; a file is replaced, whole, when all of its demonstrations have frames.
"""

import os
from collections import Counter
from pathlib import Path

from ml_collections import ConfigDict
from tqdm import tqdm

from eval_bridge.collection.rendering import RenderingError, files_to_render, render_files
from eval_bridge.simulators.libero.quiet_import import prepare_process
from eval_bridge.simulators.libero.renderer import RendererNotFound
from launch.config_flags import run
from rsd_jax.demos.libero_hdf5 import Hdf5Demos


def main(config: ConfigDict) -> None:
    """Renders, and prints a line for each file.

    Raises:
        RenderingError: a worker crashed again and again.
        ValueError: demonstrations are damaged or have no states.
        OSError: there are none, or the folder cannot be written.
        RendererNotFound: nothing on this machine renders; the message names the packages.
    """
    files = files_to_render(Path(config.run_dir), config.image_size)
    if not files:
        print("all demonstrations have frames")
        return
    prepare_process(rendering=True)
    restored: Counter[Path] = Counter()
    shown: Counter[Path] = Counter()
    with tqdm(total=sum(len(Hdf5Demos.open(file.path)) for file in files), unit="demo", smoothing=0.05) as bar:

        def show(path: Path, demo: int, restored_steps: int) -> None:
            restored[path] += restored_steps
            shown[path] += 1
            bar.update()

        render_files(files, config.workers or len(os.sched_getaffinity(0)), show)
    for file in files:
        steps = restored[file.path]
        exact = "every state came back" if not steps else f"{steps} steps put back onto their stored states"
        print(f"{file.path}: of {shown[file.path]} demonstrations rendered now, {exact}")


if __name__ == "__main__":
    run(main, default="configs/render.py", expected=(ValueError, RenderingError, OSError, RendererNotFound))

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from rsd_jax.demos.conversion import convert
from rsd_jax.demos.dataset import DemoDataset
from rsd_jax.demos.file_errors import DemoFileError
from rsd_jax.demos.formats import SOURCE_FORMATS, TARGET_FORMATS, get_source_format, get_target_format
from rsd_jax.demos.lerobot import LeRobotWriter
from rsd_jax.demos.libero_hdf5 import (
    EpisodeDescription,
    Hdf5Demos,
    Hdf5Writer,
    SceneDescription,
    read_demos,
    write_episode,
)
from rsd_jax.demos.source_conventions import AS_LIBERO_STORES
from rsd_jax.demos.task_names import TaskNaming
from rsd_jax.folder_lock import InUseError, in_use
from tests.rsd_jax.demos.demo_examples import assert_same_demo, example_demo
from tests.running_processes import processes_with, wait_until

WHAT = {"source": "examples"}


@dataclass(frozen=True)
class Examples(DemoDataset):
    """Made-up demonstrations; reading one of `broken` fails, `damaged` ones are no demonstrations."""

    tasks: tuple[str, ...] = ("a", "b", "a", "a")
    broken: tuple[int, ...] = ()
    damaged: tuple[int, ...] = ()
    conventions = AS_LIBERO_STORES

    def __len__(self):
        return len(self.tasks)

    def __getitem__(self, index):
        if index in self.broken:
            raise OSError("the disk is gone")
        if index in self.damaged:
            raise DemoFileError(Path("source"), f"episode {index}", "actions", "is empty")
        return example_demo(index, task=self.tasks[index])


def _contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_task_gets_its_file_in_the_order_of_the_source(tmp_path):
    seen = []
    convert(Examples(), Hdf5Writer(), tmp_path / "demos", description=WHAT, on_episode=lambda: seen.append(1))
    assert len(seen) == 4
    for task, seeds in (("a", [0, 2, 3]), ("b", [1])):
        demos = read_demos(tmp_path / "demos" / "libero_spatial" / f"{task}_demo.hdf5")
        assert [demo.seed for demo in demos] == seeds
        for demo in demos:
            assert_same_demo(demo, example_demo(demo.seed, task=task))
    assert [path.name for path in tmp_path.iterdir()] == ["demos"]
    assert len(Hdf5Demos.open(tmp_path / "demos")) == 4


def test_of_a_correction_the_experts_part_is_converted(tmp_path):
    """Other formats cannot tell that a policy's mistakes are not to be learned from."""
    corrections = tmp_path / "source" / "libero_spatial_corrections"
    corrections.mkdir(parents=True)
    correction = example_demo(steps=5, expert_from=3)
    write_episode(corrections / "a_demo.hdf5", correction, SceneDescription(), EpisodeDescription())
    convert(Hdf5Demos.open(tmp_path / "source"), Hdf5Writer(), tmp_path / "demos", description=WHAT)
    (found,) = Hdf5Demos.open(tmp_path / "demos")
    assert_same_demo(found, correction.expert_part())


def test_what_was_written_before_an_interruption_is_not_read_again(tmp_path):
    target = tmp_path / "demos"
    with pytest.raises(OSError, match="the disk is gone"):
        convert(Examples(broken=(2,)), Hdf5Writer(), target, description=WHAT)
    assert not target.exists()
    seen = []
    rest = Examples(broken=(0, 1))  # would fail if it were asked for these
    convert(rest, Hdf5Writer(), target, description=WHAT, on_episode=lambda: seen.append(1))
    assert len(seen) == 4
    convert(Examples(), Hdf5Writer(), tmp_path / "whole", description=WHAT)
    assert _contents(target).keys() == _contents(tmp_path / "whole").keys()
    assert len(Hdf5Demos.open(target)) == 4
    for left, right in zip(Hdf5Demos.open(target), Hdf5Demos.open(tmp_path / "whole"), strict=True):
        assert_same_demo(left, right)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demos", "whole"]


def test_an_episode_that_cannot_be_read_is_left_out_and_told(tmp_path):
    seen = []
    converted = convert(
        Examples(damaged=(3, 1)),
        Hdf5Writer(),
        tmp_path / "demos",
        description=WHAT,
        on_error="skip",
        workers=2,
        on_episode=lambda: seen.append(1),
    )
    assert len(seen) == 4
    assert converted.demonstrations == 2
    assert [(each.number, each.episode, each.rule) for each in converted.left_out] == [
        (1, "episode 1", "is empty"),
        (3, "episode 3", "is empty"),
    ]
    assert [demo.seed for demo in Hdf5Demos.open(tmp_path / "demos")] == [0, 2]
    told = json.loads((tmp_path / "demos" / "left_out.json").read_text())
    assert told[0] == {"number": 1, "file": "source", "episode": "episode 1", "field": "actions", "rule": "is empty"}
    assert [path.name for path in tmp_path.iterdir()] == ["demos"]


def test_what_stopped_at_a_damaged_episode_is_gone_on_with_by_skipping(tmp_path):
    """And what was left out in a run that did not end is read again: it may have been mended."""
    target = tmp_path / "demos"
    message = r"source: episode 2: actions: is empty\. To leave out what cannot be read .*: --config.on_error=skip"
    with pytest.raises(DemoFileError, match=message):
        convert(Examples(damaged=(2,)), Hdf5Writer(), target, description=WHAT)
    with pytest.raises(OSError, match="the disk is gone"):
        convert(Examples(broken=(0, 1, 3), damaged=(2,)), Hdf5Writer(), target, description=WHAT, on_error="skip")
    converted = convert(Examples(broken=(0, 1), damaged=()), Hdf5Writer(), target, description=WHAT, on_error="skip")
    assert converted == (4, ())
    assert len(Hdf5Demos.open(target)) == 4
    assert not (target / "left_out.json").exists()


def test_a_dataset_of_which_nothing_can_be_read_is_refused(tmp_path):
    with pytest.raises(ValueError, match="none of the 4 episodes can be read; the first: source: episode 0: actions"):
        convert(Examples(damaged=(0, 1, 2, 3)), Hdf5Writer(), tmp_path / "demos", description=WHAT, on_error="skip")
    assert not (tmp_path / "demos").exists()


def test_what_to_do_about_errors_is_one_of_two(tmp_path):
    with pytest.raises(ValueError, match="on_error='ignore' must be one of 'stop', 'skip'"):
        convert(Examples(), Hdf5Writer(), tmp_path / "demos", description=WHAT, on_error="ignore")


def test_a_target_that_lacks_a_demonstration_does_not_appear(tmp_path):
    class Forgetful(Hdf5Writer):
        def assemble(self, parts, folder):
            super().assemble(parts[1:], folder)

    with pytest.raises(ValueError, match="demos would hold 3 of the 4 demonstrations; nothing was written"):
        convert(Examples(), Forgetful(), tmp_path / "demos", description=WHAT)
    assert not (tmp_path / "demos").exists()


@pytest.mark.parametrize("writer", [Hdf5Writer(), LeRobotWriter()], ids=["libero_hdf5", "lerobot"])
def test_tasks_of_any_name_come_back_as_they_were(tmp_path, writer):
    tasks = ("Open_it", "open_it", "the mug and/or the bowl", "../../../outside", "/etc/passwd", "nul\0", "x" * 300)
    converted = convert(Examples(tasks), writer, tmp_path / "in" / "demos", description=WHAT)
    assert converted.demonstrations == len(tasks)
    reader = SOURCE_FORMATS["lerobot" if isinstance(writer, LeRobotWriter) else "libero_hdf5"]
    found = reader.open(tmp_path / "in" / "demos", reader.conventions, TaskNaming())
    assert {demo.task: demo.seed for demo in found} == {task: seed for seed, task in enumerate(tasks)}
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["demos"]


def test_an_interruption_while_the_dataset_is_made_leaves_no_half_of_it(tmp_path):
    target = tmp_path / "demos"

    class Interrupted(Hdf5Writer):
        def assemble(self, parts, folder):
            super().assemble(parts[:1], folder)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(Examples(), Interrupted(), target, description=WHAT)
    assert not target.exists()
    convert(Examples(broken=(0, 1, 2, 3)), Hdf5Writer(), target, description=WHAT)
    assert len(Hdf5Demos.open(target)) == 4


def test_another_conversion_in_the_way_is_not_gone_on_with(tmp_path):
    with pytest.raises(OSError, match="gone"):
        convert(Examples(broken=(3,)), Hdf5Writer(), tmp_path / "demos", description=WHAT)
    with pytest.raises(ValueError, match=r"\.demos\.unfinished holds an unfinished conversion of another source"):
        convert(Examples(), Hdf5Writer(), tmp_path / "demos", description={"source": "others"})
    with pytest.raises(ValueError, match="of another source"):
        convert(Examples(tasks=("a",) * 5), Hdf5Writer(), tmp_path / "demos", description=WHAT)
    description = json.loads((tmp_path / ".demos.unfinished" / "conversion.json").read_text())
    assert description == {"source": "examples", "episodes": 4, "on_error": "stop"}


def test_an_unfinished_conversion_of_nobody_knows_what_is_left_as_it_is(tmp_path):
    unfinished = tmp_path / ".demos.unfinished"
    (unfinished / "episode_000000").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"holds episodes and does not tell of what: .* move that folder away"):
        convert(Examples(), Hdf5Writer(), tmp_path / "demos", description=WHAT)
    (unfinished / "conversion.json").write_text("{")
    with pytest.raises(ValueError, match=r"conversion.json is damaged .* move that folder away"):
        convert(Examples(), Hdf5Writer(), tmp_path / "demos", description=WHAT)
    assert (unfinished / "episode_000000").exists()


def test_a_target_that_is_there_is_kept(tmp_path):
    (tmp_path / "demos").mkdir()
    with pytest.raises(FileExistsError, match="is there already; name another target, or move it away"):
        convert(Examples(), Hdf5Writer(), tmp_path / "demos", description=WHAT)


def test_two_conversions_into_one_folder_are_refused(tmp_path):
    with in_use(tmp_path / "demos"), pytest.raises(InUseError, match=r"demos is in use by process \d+"):
        convert(Examples(), Hdf5Writer(), tmp_path / "demos", description=WHAT)
    assert list(tmp_path.iterdir()) == []
    convert(Examples(), Hdf5Writer(), tmp_path / "demos", description=WHAT)


def test_an_empty_source_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no demonstration"):
        convert(Examples(tasks=()), Hdf5Writer(), tmp_path / "demos", description=WHAT)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("writer", [Hdf5Writer(), LeRobotWriter()], ids=["libero_hdf5", "lerobot"])
def test_any_number_of_workers_gives_the_same_bytes(tmp_path, writer):
    dataset = Examples(("a", "b", "a"))
    convert(dataset, writer, tmp_path / "one", description=WHAT, workers=1)
    convert(dataset, writer, tmp_path / "two", description=WHAT, workers=2)
    one, two = _contents(tmp_path / "one"), _contents(tmp_path / "two")
    assert one.keys() == two.keys()
    assert [name for name in one if one[name] != two[name]] == []


def test_an_error_in_a_worker_is_the_callers(tmp_path):
    with pytest.raises(OSError, match="the disk is gone"):
        convert(Examples(broken=(1,)), Hdf5Writer(), tmp_path / "demos", description=WHAT, workers=2)
    assert not (tmp_path / "demos").exists()


class SlowExamples(Examples):
    """Each demonstration takes a while."""

    def __getitem__(self, index):
        time.sleep(1)
        return super().__getitem__(index)


def test_a_killed_conversion_leaves_no_process_and_is_gone_on_with(tmp_path):
    """Killed, not asked to end: nothing of its own can clean up."""
    target, marker = tmp_path / "demos", str(tmp_path)
    program = f"""
from pathlib import Path
from tests.rsd_jax.demos.test_conversion import *
if __name__ == "__main__":
    convert(SlowExamples(), Hdf5Writer(), Path({str(target)!r}), description=WHAT, workers=2)
"""
    (tmp_path / "program.py").write_text(program)
    search_path = os.pathsep.join([str(Path(__file__).parents[3]), *sys.path])
    environment = os.environ | {"PYTHONPATH": search_path, "RUN": marker}
    process = subprocess.Popen([sys.executable, str(tmp_path / "program.py")], env=environment)
    parts = tmp_path / ".demos.unfinished"
    wait_until(lambda: list(parts.glob("episode_00000?")))
    process.kill()
    process.wait()
    wait_until(lambda: not processes_with(f"RUN={marker}"))
    assert not target.exists()
    written = {path.name: path.stat().st_ino for path in parts.glob("episode_00000?")}
    assert written
    rest = Examples(broken=tuple(int(name[-1]) for name in written))
    convert(rest, Hdf5Writer(), target, description=WHAT)
    assert len(Hdf5Demos.open(target)) == 4


def test_formats_are_found_by_name():
    assert list(SOURCE_FORMATS) == ["libero_hdf5", "rlds", "lerobot"]
    assert list(TARGET_FORMATS) == ["libero_hdf5", "lerobot"]
    assert get_source_format("rlds").conventions.image_orientation == "upright"
    assert isinstance(get_target_format("lerobot"), LeRobotWriter)
    with pytest.raises(ValueError, match="source format 'hdf5' must be one of libero_hdf5, rlds, lerobot"):
        get_source_format("hdf5")
    with pytest.raises(ValueError, match="target format 'rlds' must be one of libero_hdf5, lerobot"):
        get_target_format("rlds")

r"""Says whether two checkouts make the same records: evaluations, demonstrations, the shipped checkpoint, results.

    python -m tools.compare_records evaluation BEFORE/runs/pretrained/evaluation runs/pretrained/evaluation
    python -m tools.compare_records demonstrations BEFORE/runs/NAME/demos runs/NAME/demos
    python -m tools.compare_records checkpoint BEFORE .
    python -m tools.compare_records results BEFORE .

The latter two take checkouts. Wall times, commits, versions and the order of lines may differ, nothing else: whatever
does is printed, and the exit status is 1. ``checkpoint`` compares the stored files, and in a process of each checkout
the hashes of the tokenizer and the policy as its own code loads them.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from rsd_jax.file_digests import file_digest

MEASURED = {
    *("seconds", "chunk_seconds", "latency_ms", "started", "commit", "commits", "versions", "workers"),
    *("stage_seconds", "date", "history"),
    "check",
}
"""Keys whose values two runs of the same program differ in, that say who made a file, or that it is unaltered."""

LOADED = """
from pathlib import Path
from rsd_jax.pretrained import PRETRAINED
from rsd_jax.rfsq import RfsqTokenizer
from rsd_jax.stored_models import load_policy
assert PRETRAINED.is_relative_to(Path.cwd()), f"{PRETRAINED} is of another checkout than {Path.cwd()}"
policy = load_policy(PRETRAINED)
print(RfsqTokenizer.load(PRETRAINED / "rfsq").token_hash, policy.params_hash)
"""


def compare_evaluations(before: Path, after: Path) -> Iterator[str]:
    """Identity, every episode and error, the summary, and every array of every trace."""
    lines = [_log(folder / "episodes.jsonl") for folder in (before, after)]
    if not lines[0]:
        yield f"{before / 'episodes.jsonl'} has no line to compare"
    yield from _mappings("episodes.jsonl", *lines)
    yield from _mappings(
        "summary.json", *(json.loads((folder / "summary.json").read_text()) for folder in (before, after))
    )
    traces = [{path.name: path for path in folder.glob("traces/*.npz")} for folder in (before, after)]
    yield from _names("traces", *traces)
    for name in sorted(traces[0].keys() & traces[1].keys()):
        arrays = [dict(np.load(trace[name])) for trace in traces]
        yield from _names(f"traces/{name}", *arrays)
        for key in arrays[0].keys() & arrays[1].keys():
            yield from _arrays(f"traces/{name}: {key}", arrays[0][key], arrays[1][key])


def compare_demonstrations(before: Path, after: Path) -> Iterator[str]:
    """Every dataset and attribute of every file of demonstrations, and what the collection wrote beside them."""
    files = [{str(path.relative_to(folder)): path for path in folder.rglob("*.hdf5")} for folder in (before, after)]
    if not files[0]:
        yield f"{before} has no .hdf5 file to compare"
    yield from _names("demonstrations", *files)
    for name in sorted(files[0].keys() & files[1].keys()):
        with h5py.File(files[0][name]) as first, h5py.File(files[1][name]) as second:
            contents = [_content(file) for file in (first, second)]
            yield from _names(name, *contents)
            for key in sorted(contents[0].keys() & contents[1].keys()):
                yield from _arrays(f"{name}: {key}", contents[0][key], contents[1][key])
        logs = [file[name].with_suffix(".json") for file in files]
        if logs[0].exists():
            yield from _mappings(f"{name}, log", *(json.loads(log.read_text()) for log in logs))


def compare_checkpoints(before: Path, after: Path) -> Iterator[str]:
    """The shipped checkpoint's files, and the hashes of what each checkout's code loads from its own."""
    digests = [_file_digests(root / "rsd_jax/pretrained") for root in (before, after)]
    if not digests[0]:
        yield f"{before} has no shipped checkpoint"
    yield from _mappings("rsd_jax/pretrained", *digests)
    loaded = [_loaded(root) for root in (before, after)]
    if loaded[0] != loaded[1]:
        yield f"hashes of the loaded tokenizer and policy: {loaded[0]}, then {loaded[1]}"


def compare_results(before: Path, after: Path) -> Iterator[str]:
    """Every figure of ``results/``, and every row of every table between markers, wherever it stands by now."""
    figures = [_read_results(root) for root in (before, after)]
    if not figures[0]:
        yield f"{before} has no results"
    for name in sorted(figures[0]):
        if name not in figures[1]:
            yield f"results/{name} is gone"
        else:
            yield from _mappings(f"results/{name}", figures[0][name], figures[1][name])
    tables = [_tables(root) for root in (before, after)]
    for name, rows in tables[0].items():
        if rows != tables[1].get(name):
            yield f"the table {name} differs, or is gone"


def _log(path: Path) -> dict[str, Any]:
    """What a log found, by what it is of: sessions, speeds and latencies are not."""
    found: dict[str, Any] = {}
    for line in path.read_text().splitlines():
        record = json.loads(line)
        if record["kind"] == "evaluation":
            found["identity"] = record["identity"]
        elif record["kind"] == "episode":
            found[f"task {record['task_index']}, episode {record['episode']}"] = record
        elif record["kind"] == "error":
            found[f"error {record['task_index']}, {record['episode']}, {record['attempt']}"] = record
    return found


def _placeless(value: Any) -> Any:
    """An attribute without the folder that packages are installed in, which scenes name their meshes by."""
    return re.sub(r'[^"]*/site-packages/', "site-packages/", value) if isinstance(value, str) else value


def _content(file: h5py.File) -> dict[str, Any]:
    content: dict[str, Any] = {}

    def add(name: str, item: h5py.Group | h5py.Dataset) -> None:
        own = {key: _placeless(value) for key, value in item.attrs.items() if key not in MEASURED}
        content.update({f"{name}@{key}": value for key, value in own.items()})
        if isinstance(item, h5py.Dataset):
            content[name] = item[()]

    add("", file)
    file.visititems(add)
    return content


def _file_digests(folder: Path) -> dict[str, str]:
    # What protects a manifest is no part of a checkpoint: earlier checkouts have none.
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc", ".sha256"}]
    return {str(path.relative_to(folder)): file_digest(path) for path in sorted(files)}


def _loaded(root: Path) -> str:
    process = subprocess.run([sys.executable, "-c", LOADED], cwd=root, capture_output=True, text=True)
    if process.returncode:
        raise RuntimeError(f"{root} does not load its shipped checkpoint:\n{process.stderr}")
    return process.stdout.strip()


def _read_results(root: Path) -> dict[str, Any]:
    folder = root / "results"
    return {str(path.relative_to(folder)): json.loads(path.read_text()) for path in folder.rglob("*.json")}


def _tables(root: Path) -> dict[str, list[str]]:
    """Rows of the tables between markers, by name; the tokenizer's document shares its marker with another."""
    tables = {}
    for path in (root / "README.md", *sorted((root / "docs").glob("*.md"))):
        for name, section in re.findall(r"<!-- (\w+) -->\n(.*?)<!-- /\1 -->", path.read_text(), flags=re.DOTALL):
            key = f"tokenizer {name}" if path.name == "tokenizer.md" else name
            tables[key] = [line for line in section.splitlines() if line.startswith("|")]
    return tables


def _mappings(where: str, before: Any, after: Any) -> Iterator[str]:
    """Differences of JSON values at any depth, keys of `MEASURED` aside."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        first, second = ({key: value for key, value in own.items() if key not in MEASURED} for own in (before, after))
        yield from _names(where, first, second)
        for key in first.keys() & second.keys():
            yield from _mappings(f"{where}: {key}", first[key], second[key])
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _mappings(f"{where}[{index}]", one, other)
    elif before != after:
        yield f"{where}: {_short(before)}, then {_short(after)}"


def _names(where: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for text, names in (("gone", before.keys() - after.keys()), ("new", after.keys() - before.keys())):
        if names:
            yield f"{where}: {text}: {', '.join(sorted(names))}"


def _arrays(where: str, before: Any, after: Any) -> Iterator[str]:
    first, second = np.asarray(before), np.asarray(after)
    if (first.shape, first.dtype) != (second.shape, second.dtype):
        yield f"{where}: {first.dtype}{first.shape}, then {second.dtype}{second.shape}"
    elif first.tobytes() != second.tobytes() if first.dtype != object else not (first == second).all():
        yield f"{where}: {int(np.sum(first != second))} of {first.size} values differ"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 100 else f"{text[:100]}..."


COMPARISONS = {
    "evaluation": compare_evaluations,
    "demonstrations": compare_demonstrations,
    "checkpoint": compare_checkpoints,
    "results": compare_results,
}


def main(arguments: Sequence[str]) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=COMPARISONS)
    parser.add_argument("before", type=Path, metavar="BEFORE")
    parser.add_argument("after", type=Path, metavar="AFTER")
    options = parser.parse_args(arguments)
    differences = list(COMPARISONS[options.what](options.before, options.after))
    print("\n".join(differences) or f"{options.what}: the same")
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main(sys.argv[1:])

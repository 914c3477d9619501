"""Every file is what a named command wrote, or says in itself that it was put together by hand."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results"
FILES = sorted(RESULTS.rglob("*.json"))
COMMANDS = ("python -m ", "`make ", "`launch.")


def row_of(path: Path) -> str:
    """The line of the table in ``results/README.md`` that tells of a file, or of the folder that holds it."""
    first = path.relative_to(RESULTS).parts[0]
    kind = next((kind for kind in ("speed", "decoding", "serving") if first.startswith(f"{kind}_")), None)
    name = f"{kind}_DEVICE.json" if kind else f"{first}/" if path.parent != RESULTS else first
    rows = [line for line in (RESULTS / "README.md").read_text().splitlines() if f"`{name}`" in line.split(" | ")[0]]
    assert len(rows) == 1, f"results/README.md has {len(rows)} rows for {name}"
    return rows[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(RESULTS)))
def test_a_command_is_named_for_every_file(path):
    row = row_of(path)
    assert any(command in row for command in COMMANDS)
    if path.parent.name == "ablations":
        assert f"`{path.stem}`" in row


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(RESULTS)))
def test_a_file_with_entries_by_hand_says_what_they_are(path):
    record = json.loads(path.read_text())
    if {"note", "notes"} & set(record):
        assert "history" in record
    if "history" in record:
        assert "by hand" in record["history"]
        assert any(
            word in record["history"] for word in ("python -m", "launch", "pytest", "log", "training", "metrics")
        )


def test_the_readme_of_the_results_claims_nothing_made_by_hand():
    """What was made by hand stands in the files themselves, so that a file that is made anew drops it."""
    table = [line for line in (RESULTS / "README.md").read_text().splitlines() if line.startswith("|")]
    assert len(table) > 10
    assert [line for line in table if "by hand" in line] == []

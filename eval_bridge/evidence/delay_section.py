"""The table of success over delay, for a document."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eval_bridge.report.delay.table import COLUMNS, cells
from eval_bridge.report.markdown import link_to, markdown_table

SECTION = "delay"


def describe(results: Path, document: Path) -> str:
    """A row a cell, and where the figures come from.

    Raises:
        OSError: `results` cannot be read.
    """
    record: Mapping[str, Any] = json.loads(results.read_text(encoding="utf-8"))
    table = markdown_table(COLUMNS, [cells(row) for row in record["rows"]])
    commits = ", ".join(f"`{commit[:10]}`" for commit in record["commit"].split(", "))
    made = f"{record['device']}, commit {commits}; 95 % Wilson intervals"
    return f"{table}\n\n{made}. All figures: {link_to(results, document)}."

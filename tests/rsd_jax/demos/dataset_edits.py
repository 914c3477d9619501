"""One edit of a copied dataset: how small damaged inputs are made."""

import json

import pyarrow as pa
import pyarrow.parquet as pq


def edit_json(path, change):
    """Rewrites a file of one object after `change`, which alters it in place."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def edit_lines(path, change):
    """Rewrites a file with an object a line after `change`, which is given the list of them."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    change(lines)
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


def replace_column(path, key, rows, kind=None):
    """Replaces a column of a table, as it is or by values of the type `kind`."""
    table = pq.read_table(path)
    index = table.column_names.index(key)
    column = pa.array(rows, kind or table.schema.field(key).type)
    pq.write_table(table.set_column(index, key, column), path)


def edit_rows(path, change):
    """Rewrites a table after `change`, which is given its rows as a list of objects."""
    rows = pq.read_table(path).to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows), path)

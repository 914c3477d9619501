"""One edit of a copied dataset: how small damaged inputs are made."""

import json

import pyarrow as pa
import pyarrow.parquet as pq

from rsd_jax.demos.rlds.tfrecord import find_records, masked_crc, read_record

SHARD = "libero_spatial_no_noops-train.tfrecord-00000-of-00001"


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


def change_byte(path, offset, value=None):
    content = bytearray(path.read_bytes())
    content[offset] = content[offset] ^ 0xFF if value is None else value
    path.write_bytes(content)


def second_record(shard):
    return list(find_records(shard))[1]


def step_features(content):
    return content["featuresDict"]["features"]["steps"]["sequence"]["feature"]["featuresDict"]["features"]


def rewrite_first_record(build, change):
    """Changes the content of the first record, with the right checksums."""
    shard = build / SHARD
    places = list(find_records(shard))
    records = [read_record(shard, place) for place in places]
    records[0] = change(records[0])
    content = b""
    for record in records:
        length = len(record).to_bytes(8, "little")
        crcs = (masked_crc(part).to_bytes(4, "little") for part in (length, record))
        content += length + next(crcs) + record + next(crcs)
    shard.write_bytes(content)

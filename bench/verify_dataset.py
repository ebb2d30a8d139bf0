"""Reads a dataset folder with pyarrow alone and compares it with what docs/datasets.md promises:
the hash of every file, the columns and their types, lengths against widths, counts against the manifest, ids against the vocabulary.

    python bench/verify_dataset.py DATASET..."""
import hashlib, json, pathlib, sys

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


def fixed(item, width):
    return pa.list_(pa.field("item", item, nullable=False), width)


def listed(item):
    return pa.list_(pa.field("item", item, nullable=False))


def schema(plan):
    """The documented columns of a plan, in their order."""
    task, length = plan["task"], plan["seqLen"]
    ids = pa.uint16() if plan["vocabulary"]["size"] <= 65536 else pa.int32()
    masking = task.get("masking", {})
    words = [("words", fixed(pa.bool_(), length))] if masking.get("wholeWord") or masking.get("ngram", 1) > 1 else []
    masked = [("masked_positions", listed(pa.int32())), ("masked_labels", listed(pa.int32()))] if masking.get("fixed") else []
    width = length + 1 if task.get("pack") == "concat" and task["kind"] != "mlm" else length
    return {
        "causal": [("input_ids", fixed(ids, width)), ("lengths", listed(pa.int32()))],
        "chat": [("input_ids", fixed(ids, width)), ("lengths", listed(pa.int32())), ("targets", fixed(pa.bool_(), width))],
        "mlm": [("input_ids", fixed(ids, length)), ("lengths", listed(pa.int32())), *words, *masked],
        "pair": [("input_ids", fixed(ids, length)), ("length", pa.int32()), ("first_length", pa.int32()),
                 ("next_sentence_label", pa.int32()), *words, *masked],
        "span": [("input_ids", fixed(ids, task.get("textLen", 0))), ("lengths", listed(pa.int32()))],
        "seq2seq": [("input_ids", listed(ids)), ("labels", listed(ids))],
        "classify": [("input_ids", listed(ids)), ("first_length", pa.int32()), ("class", pa.int32())],
    }[task["kind"]]


def check(path, plan, table):
    expected = pa.schema([pa.field(name, kind, nullable=False) for name, kind in schema(plan)])
    assert table.schema.remove_metadata().equals(expected), f"{path}: {table.schema} is not {expected}"
    facts = json.loads(table.schema.metadata[b"millrace"])
    assert facts["seqLen"] == plan["seqLen"] and facts["task"] == plan["task"]["kind"], path
    ids = table["input_ids"].combine_chunks()
    assert pc.max(ids.flatten()).as_py() < plan["vocabulary"]["size"], path
    assert all(column.null_count == 0 for column in table.columns), path
    kind = plan["task"]["kind"]
    if "lengths" in table.column_names:
        lengths = table["lengths"].combine_chunks()
        sums = np.add.reduceat(lengths.flatten().to_numpy(), lengths.offsets.to_numpy()[:-1])
        assert sums.max() <= ids.type.list_size and pc.min(lengths.flatten()).as_py() > 0, path
        return int(sums.sum())
    if kind == "pair":
        lengths, firsts = table["length"].to_numpy(), table["first_length"].to_numpy()
        assert (firsts < lengths).all() and lengths.max() <= plan["seqLen"], path
        rows = ids.flatten().to_numpy().reshape(-1, plan["seqLen"])
        each = np.arange(len(rows))
        assert (rows[:, 0] == plan["task"]["cls"]).all() and (rows[each, lengths - 1] == plan["task"]["sep"]).all(), path
        assert (rows[each, firsts - 1] == plan["task"]["sep"]).all(), path
        assert set(table["next_sentence_label"].unique().to_pylist()) <= {0, 1}, path
        return int(lengths.sum())
    tokens = len(ids.flatten())
    if kind == "seq2seq":
        tokens += len(table["labels"].combine_chunks().flatten())
    if kind == "classify":
        assert set(table["class"].unique().to_pylist()) <= set(range(len(plan["task"]["classes"]))), path
    return tokens


for folder in map(pathlib.Path, sys.argv[1:]):
    manifest = json.loads((folder / "manifest.json").read_text())
    plan, files = manifest["plan"], 0
    for split in manifest["splits"]:
        rows = tokens = 0
        for shard in split["shards"]:
            path = folder / shard["file"]
            data = path.read_bytes()
            assert len(data) == shard["bytes"] and hashlib.sha256(data).hexdigest() == shard["sha256"], path
            source = pa.memory_map(str(path))
            before = pa.total_allocated_bytes()
            table = pa.ipc.open_file(source).read_all()
            assert pa.total_allocated_bytes() - before < 1 << 16, f"{path}: pyarrow copied the columns"
            assert table.num_rows == shard["rows"], path
            tokens += check(path, plan, table)
            rows += table.num_rows
            files += 1
            if "parquet" in shard:
                assert pq.read_table(path.with_suffix(".parquet")).equals(table), path
                files += 1
        assert (rows, tokens) == (split["rows"], split["tokens"]), f"{folder} {split['name']}: {rows} rows, {tokens} tokens"
    print(f"{folder}: {plan['task']['kind']}, {files} files, as documented")

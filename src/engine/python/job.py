"""What a job is to do, the same for every engine: a plan taken apart into portions by the way they are read."""

import json
import os

import pyarrow as pa

import shim


class Hopeless(RuntimeError):
    """No other try can mend it."""

    @staticmethod
    def check(table):
        notes = [note for note in table.column("note").to_pylist() if note]
        if notes:
            raise Hopeless(notes[0])


class Job:
    """Lists of (source, path, portion), by how the files are read:
    parts: large files of lines, from the first of their portions on; streams: large files of text that one task reads;
    tables: large files of columns; files: small ones, as they lie on disk. done: portions that need no work.
    """

    def __init__(self, spec):
        with open(spec["plan"]) as file:
            self.text = file.read()
        plan = json.loads(self.text)
        self.limit, self.sources = plan["partitionBytes"], plan["sources"]
        self.command, self.portions = spec["command"], spec["portions"]
        self.done = sorted(spec.get("done", []))
        self.made = spec.get("made")
        dataset, count = plan["dataset"], plan["count"]
        self.near = dataset["clean"]["nearDedup"] if dataset else None
        fields = dataset["fields"]["names"] if dataset else count["fields"]
        self.columns = list(dict.fromkeys(name.split(".")[0] for name in fields))
        self.parts, self.streams, self.tables, self.files = [], [], [], []
        seen, done = set(), set(self.done)
        for number, portion in enumerate(self.portions):
            indices = range(portion["files"]["start"], portion["files"]["end"])
            first = self.sources[indices[0]]
            large = len(indices) == 1 and first["bytes"] > self.limit
            if portion["bytes"]:
                if indices[0] not in seen:
                    seen.add(indices[0])
                    self.parts.append((indices[0], uri(first["path"]), number))
            elif number in done:
                continue
            elif large and first["format"] == "parquet":
                self.tables.append((indices[0], uri(first["path"]), number))
            elif large and first["format"] not in ("file", "arrow") and not first["path"].endswith(".zst"):
                self.streams.append((indices[0], uri(first["path"]), number))
            else:
                self.files += [(index, uri(self.sources[index]["path"]), number) for index in indices]
        if len(done) == len(self.portions):
            self.parts = []
        self.largest = max((self.sources[source]["bytes"] for source, _, _ in self.files), default=1)

    def empty(self):
        return not (self.parts or self.streams or self.tables or self.files)

    def stage(self, steps, form, schema, **more):
        return shim.Stage(steps, self.text, form, schema, self.command, **more)

    def about(self, form, **more):
        return {"plan": shim.Stage("", self.text, form, None, []).hash, "form": form, **more}


def uri(path):
    """Local paths are those of the machine that made the plan."""
    return path if "://" in path else "file:" + os.path.abspath(path)


def open_ended(size, piece):
    """Bytes behind the last newline; `piece` reads from one place to another."""
    end = size
    while end > 0:
        start = max(0, end - 4096)
        at = piece(start, end).rfind(b"\n")
        if at >= 0:
            return size - start - at - 1
        end = start
    return size


def write_stream(table, path, about):
    schema = table.schema.with_metadata({shim.KEY: json.dumps(about).encode()})
    with open(path, "wb") as file, pa.ipc.new_stream(file, schema) as writer:
        for batch in table.to_batches():
            writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))

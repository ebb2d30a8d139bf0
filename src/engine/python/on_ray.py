"""A job in, done by Ray Data: its workers open the files (pyarrow.fs), `map_batches` runs our stages, its shuffle brings
equal keys together."""

import os

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs
import ray
from pyarrow.fs import FileSystem, FileType

import shim
from job import Hopeless, open_ended, uri, write_stream

ray.cloudpickle.register_pickle_by_value(shim)

CHUNK = 1 << 20


class Engine:
    def __init__(self, url, conf):
        address = {"ray": None}.get(url, url if url.startswith("ray://") else url.removeprefix("ray:"))
        ray.init(address=address, logging_level="ERROR", log_to_driver=False, include_dashboard=False, **numbers(conf))
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.execution_options.preserve_order = True
        self.cores = int(ray.cluster_resources().get("CPU", 1))

    def stop(self):
        ray.shutdown()

    def about(self):
        return {"version": ray.__version__, "cores": self.cores}

    def list(self, patterns):
        import fnmatch

        found = {}
        for pattern in patterns:
            base = pattern[: min((pattern.index(c) for c in "*?[" if c in pattern), default=len(pattern))]
            system, start = FileSystem.from_uri(base[: base.rindex("/") + 1] if base != pattern else base)
            scheme = base.split("://")[0]
            selector = pa.fs.FileSelector(start, recursive=True) if base != pattern else [start]
            for info in system.get_file_info(selector):
                path = f"{scheme}://{info.path}"
                if info.type == FileType.File and fnmatch.fnmatch(path, pattern):
                    with system.open_input_file(info.path) as file:
                        behind = open_ended(info.size, lambda start, end: file.read_at(end - start, start))
                    found[path] = {
                        "path": path,
                        "bytes": info.size,
                        "modified": info.mtime_ns // 1_000_000,
                        "openEnded": behind,
                    }
        return [found[path] for path in sorted(found)]

    def _work(self, job):
        """A row a portion: its number, and source, path, start and end of what is to be read (end -1: all of it)."""
        done = set(job.done)
        rows = []
        for number, portion in enumerate(job.portions):
            if number in done:
                continue
            part = portion["bytes"] or {"start": 0, "end": -1}
            indices = range(portion["files"]["start"], portion["files"]["end"])
            files = [{"source": i, "path": uri(job.sources[i]["path"]), **part} for i in indices]
            rows.append({"portion": number, "files": files})
        return rows

    def _each(self, job, work):
        """A block a portion, and what `work` makes of it."""
        rows = self._work(job)
        data = ray.data.from_items(rows, override_num_blocks=max(1, len(rows)))
        return data.map_batches(work, batch_format="pyarrow", batch_size=1, zero_copy_batch=True)

    def _stages(self, job, steps, schema, **more):
        stage = job.stage(steps, "files", schema, **more)

        def work(table):
            out = [batch for row in table.to_pylist() for batch in stage.run(read(row))]
            return pa.Table.from_batches(out, schema=schema)

        return self._each(job, work)

    def count(self, job, out):
        words = self._stages(job, "count", shim.COUNTS)
        tables = []
        for batch in words.iter_batches(batch_size=None, batch_format="pyarrow"):
            Hopeless.check(batch)
            # Summed as they come: what is held is the size of the vocabulary of words, not of the text.
            tables = [add([*tables, batch.select(["word", "n"])])]
        write_stream(tables[0] if tables else shim.COUNTS.empty_table().select(["word", "n"]), out, job.about("counts", made=job.made))

    def build(self, job, out, copies):
        if not self._work(job):
            return
        files = self._stages(job, "tokenize,pack,mask", shim.OUTPUTS, out=out, copies=copies)
        for batch in files.iter_batches(batch_size=None, batch_format="pyarrow"):
            Hopeless.check(batch)
            for name, data in zip(batch.column("name"), batch.column("data")):
                if data.is_valid:
                    shim.write(os.path.join(out, ".build", name.as_py()), data.as_buffer())

    def dedup(self, job, out):
        def compare(data, form):
            stage = job.stage("dedup", form, shim.MARKS)

            def work(table):
                table = table.sort_by([(name, "ascending") for name in ("key", "portion", "n")])
                return pa.Table.from_batches(list(stage.run(table.to_batches())), schema=shim.MARKS)

            parted = data.repartition(max(2, self.cores), keys=["key"])
            return parted.map_batches(work, batch_format="pyarrow", batch_size=None)

        firsts = compare(self._stages(job, "dedup", shim.MARKS), "signatures").materialize()
        copies = gathered(firsts.map_batches(without_key, batch_format="pyarrow", batch_size=None))
        Hopeless.check(copies)
        if job.near is not None:
            bands = firsts.map_batches(with_key, batch_format="pyarrow", batch_size=None)
            near = gathered(compare(bands, "bands"))
            Hopeless.check(near)
            copies = pa.concat_tables([copies, near])
        write_stream(copies.drop_columns(["note"]), out, job.about("copies"))

    def measure(self, job, steps):
        """Drops what comes out, for measuring: of our steps; of `scan`, which looks at each batch; of `same`, which hands each
        on."""

        def look(table):
            return pa.table({"bytes": [sum(batch.nbytes for row in table.to_pylist() for batch in read(row))]})

        def same(table):
            return pa.Table.from_batches([batch for row in table.to_pylist() for batch in read(row)])

        if steps in ("scan", "same"):
            data = self._each(job, look if steps == "scan" else same)
        else:
            data = self._stages(job, steps, shim.COUNTS if steps == "count" else shim.OUTPUTS)
        for _ in data.iter_internal_ref_bundles():
            pass


def read(row):
    """The bytes of a portion's files, in pieces; of a part of a file of lines, the lines that start in it."""
    for one in row["files"]:
        source, path, start, end = one["source"], one["path"], one["start"], one["end"]
        system, name = FileSystem.from_uri(path) if "://" in path else (pa.fs.LocalFileSystem(), path.removeprefix("file:"))
        with system.open_input_file(name) as file:
            for piece in whole(file) if end < 0 else lines(file, start, end):
                columns = [pa.array([row["portion"]], pa.int32()), pa.array([source], pa.int32()), pa.array([piece], pa.binary())]
                yield pa.RecordBatch.from_arrays(columns, names=["portion", "source", "data"])


def whole(file):
    while piece := file.read(CHUNK):
        yield piece


def lines(file, start, end):
    """Lines that start behind `start` and up to `end`; those at 0 too."""
    file.seek(start)
    at, begun = start, start == 0
    while piece := file.read(CHUNK):
        if not begun:
            newline = piece.find(b"\n")
            skipped = len(piece) if newline < 0 else newline + 1
            at, piece, begun = at + skipped, piece[skipped:], newline >= 0
            if begun and at > end:
                return
        if at + len(piece) > end:
            newline = piece.find(b"\n", max(0, end - at))
            if newline >= 0:
                if piece:
                    yield piece[: newline + 1]
                return
        at += len(piece)
        if piece:
            yield piece


def add(tables):
    summed = pa.concat_tables(tables).group_by("word").aggregate([("n", "sum")])
    return pa.table({"word": summed.column("word"), "n": summed.column("n_sum")})


def with_key(table):
    return table.filter(pc.is_valid(table.column("key")))


def without_key(table):
    return table.filter(pc.is_null(table.column("key")))


def gathered(data):
    batches = list(data.iter_batches(batch_size=None, batch_format="pyarrow"))
    return pa.concat_tables(batches) if batches else shim.MARKS.empty_table()


def numbers(conf):
    return {key: int(value) if value.isdigit() else value for key, value in conf.items()}

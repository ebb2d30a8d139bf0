"""A job in, done by Apache Spark: its readers bring the text, its shuffle adds up and sorts, `mapInArrow` runs our stages."""

import os
import re
import sys

import pyarrow as pa
from pyspark import TaskContext, cloudpickle
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

import shim
from job import Hopeless, open_ended, write_stream

cloudpickle.register_pickle_by_value(shim)

SCHEMAS = {
    "counts": "word binary, n bigint, note string",
    "marks": "key binary, portion int, n bigint, minima binary, note string",
    "outputs": "name string, data binary, note string",
}
WHOLE = 1 << 50


class Engine:
    def __init__(self, url, conf):
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        builder = SparkSession.builder.master(url).appName("millrace")
        usual = {
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.sql.execution.arrow.maxRecordsPerBatch": "65536",
            "spark.python.worker.reuse": "true",
        }
        for key, value in {**usual, **conf}.items():
            builder = builder.config(key, value)
        self.spark = builder.getOrCreate()
        self.cores = max(1, self.spark.sparkContext.defaultParallelism)

    def stop(self):
        self.spark.stop()

    def about(self):
        return {"version": self.spark.version, "cores": self.cores}

    # Files, as the Hadoop file systems of this Spark list them.

    def list(self, patterns):
        jvm, hadoop = self.spark._jvm, self.spark._jsc.hadoopConfiguration()
        found = {}
        for pattern in patterns:
            path = jvm.org.apache.hadoop.fs.Path(pattern)
            system = path.getFileSystem(hadoop)
            for status in system.globStatus(path) or []:
                if not status.isFile():
                    continue
                uri, size = status.getPath().toUri().toString(), status.getLen()
                stream = system.open(status.getPath())

                def piece(start, end):
                    bytes = self.spark.sparkContext._gateway.new_array(jvm.byte, end - start)
                    stream.readFully(start, bytes)
                    return b"".join((byte & 255).to_bytes(1, "big") for byte in bytes)

                found[uri] = {
                    "path": uri,
                    "bytes": size,
                    "modified": status.getModificationTime(),
                    "openEnded": open_ended(size, piece),
                }
                stream.close()
        return [found[uri] for uri in sorted(found)]

    def _names(self, paths):
        """For each path the names by which `_metadata.file_path` may call it."""
        jvm, hadoop = self.spark._jvm, self.spark._jsc.hadoopConfiguration()
        names = []
        for path in paths:
            path = jvm.org.apache.hadoop.fs.Path(path)
            found = path.getFileSystem(hadoop).getFileStatus(path).getPath()
            name = jvm.org.apache.spark.paths.SparkPath.fromPath(found).toString()
            # Local files are spelled with one slash or with three.
            names.append({name, re.sub("^file:/+", "file:/", name), re.sub("^file:/+", "file:///", name)})
        return names

    # Text.

    def _session(self, split, records=None):
        """A session that reads files in splits of so many bytes, one a task."""
        session = self.spark.newSession()
        session.conf.set("spark.sql.files.maxPartitionBytes", split)
        session.conf.set("spark.sql.files.openCostInBytes", min(split, WHOLE // 2))
        session.conf.set("spark.sql.files.minPartitionNum", 1)
        session.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", records or 65536)
        return session

    def _placed(self, session, frame, rows):
        """Gives rows their file's number and the number of its first portion. `rows`: (source, path, portion)."""
        names = self._names([path for _, path, _ in rows])
        table = [(name, source, portion) for all, (source, _, portion) in zip(names, rows) for name in all]
        table = session.createDataFrame(table, "path string, source int, portion int")
        return frame.join(F.broadcast(table), "path")

    def documents(self, job):
        """Frames of the portions that are still to be done, each with the form of its rows."""
        frames = []
        if job.parts:
            session = self._session(job.limit)
            text = session.read.text(escaped(job.parts), lineSep="\n")
            text = text.select(
                F.col("value").cast("binary").alias("data"),
                F.col("_metadata.file_path").alias("path"),
                F.col("_metadata.file_block_start").alias("start"),
            )
            portion = F.col("portion") + F.floor(F.col("start") / job.limit).cast("int")
            rows = self._placed(session, text, job.parts).select(portion.alias("portion"), "source", "data")
            if job.done:
                rows = rows.where(~F.col("portion").isin(job.done))
            frames.append((rows, "lines"))
        if job.streams:
            session = self._session(WHOLE)
            text = session.read.text(escaped(job.streams), lineSep="\n")
            text = text.select(F.col("value").cast("binary").alias("data"), F.col("_metadata.file_path").alias("path"))
            frames.append((self._placed(session, text, job.streams).select("portion", "source", "data"), "lines"))
        if job.tables:
            session = self._session(WHOLE)
            table = session.read.parquet(*escaped(job.tables))
            columns = [F.col(f"`{name}`") for name in job.columns]
            table = table.select(*columns, F.col("_metadata.file_path").alias("path"))
            frames.append((self._placed(session, table, job.tables).select("portion", "source", *columns), "rows"))
        if job.files:
            session = self._session(job.limit, max(1, (32 << 20) // max(1, job.largest)))
            files = session.read.format("binaryFile").load(escaped(job.files))
            files = files.select(F.col("content").alias("data"), F.col("_metadata.file_path").alias("path"))
            files = self._placed(session, files, job.files).select("portion", "source", "data")
            frames.append((self._together(files, job), "files"))
        return frames

    def _together(self, files, job):
        """The files of a portion in one task, in their order; one portion a task, as far as this Spark can."""
        portions = sorted({portion for _, _, portion in job.files})
        width = min(len(portions), 4096)
        if hasattr(files, "repartitionById"):
            first, dense = portions[0], len(portions) == portions[-1] - portions[0] + 1
            place = F.col("portion") - first if dense else F.hash("portion")
            files = files.repartitionById(width, F.pmod(place, F.lit(width)))
        else:
            files = files.repartition(width, "portion")
        return files.sortWithinPartitions("portion", "source")

    def _map(self, frame, stage, schema):
        def run(batches):
            yield from stage.run(batches, TaskContext.get().attemptNumber())

        return frame.mapInArrow(run, SCHEMAS[schema])

    def _stages(self, job, steps, schema, **more):
        frames = [
            self._map(frame, job.stage(steps, form, getattr(shim, schema.upper()), **more), schema)
            for frame, form in self.documents(job)
        ]
        whole = frames[0]
        for frame in frames[1:]:
            whole = whole.unionAll(frame)
        return whole

    # Jobs.

    def count(self, job, out):
        words = self._stages(job, "count", "counts")
        width = min(4 * self.cores, 2048)
        summed = words.repartition(width, "word").groupBy("word", "note").agg(F.sum("n").alias("n"))
        table = summed.select("word", "n", "note").toArrow()
        Hopeless.check(table)
        write_stream(table.select(["word", "n"]), out, job.about("counts", made=job.made))

    def build(self, job, out, copies):
        if not job.empty():
            files = self._stages(job, "tokenize,pack,mask", "outputs", out=out, copies=copies)
            files = files.persist()
            told = files.select("name", "note", F.isnotnull("data").alias("travels")).toArrow()
            Hopeless.check(told)
            if any(told.column("travels").to_pylist()):
                for row in files.where("data is not null").toLocalIterator(prefetchPartitions=True):
                    shim.write(os.path.join(out, ".build", row.name), row.data)
            files.unpersist()

    def dedup(self, job, out):
        width = min(4 * self.cores, 2048)
        place = ["key", "portion", "n"]

        def compare(frame, form):
            frame = frame.repartition(width, "key").sortWithinPartitions(*place)
            return self._map(frame, job.stage("dedup", form, shim.MARKS), "marks")

        firsts = compare(self._stages(job, "dedup", "marks"), "signatures").persist()
        copies = firsts.where("key is null")
        if job.near is not None:
            copies = copies.unionAll(compare(firsts.where("key is not null"), "bands"))
        table = copies.toArrow()
        Hopeless.check(table)
        write_stream(table.drop_columns(["note"]), out, job.about("copies"))
        firsts.unpersist()

    def measure(self, job, steps):
        """Drops what comes out, for measuring: of our steps; of `scan`, which looks at each batch; of `same`, which hands each
        on."""

        def look(batches):
            for batch in batches:
                yield pa.RecordBatch.from_arrays([pa.array([batch.nbytes])], names=["bytes"])

        if steps == "scan":
            frames = [frame.mapInArrow(look, "bytes bigint") for frame, _ in self.documents(job)]
        elif steps == "same":
            frames = [frame.mapInArrow(lambda batches: batches, frame.schema) for frame, _ in self.documents(job)]
        else:
            schema = "counts" if steps == "count" else "outputs"
            frames = [self._stages(job, steps, schema)]
        for frame in frames:
            frame.write.format("noop").mode("overwrite").save()


def escaped(rows):
    """Paths that Spark takes as they stand, not as patterns."""
    return [re.sub(r"([*?\[\]{}\\^])", r"\\\1", path) for _, path, _ in rows]


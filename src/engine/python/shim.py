"""Batches of rows in, through a `millrace stage` process a portion, the batches that it makes out.

This is all that runs of us inside an engine's Python worker: it needs pyarrow, node and millrace there, nothing else.
"""

import hashlib
import json
import os
import queue
import subprocess
import tempfile
import threading

import pyarrow as pa
import pyarrow.compute as pc

KEY = b"millrace"
OUTPUTS = pa.schema([("name", pa.string()), ("data", pa.binary()), ("note", pa.string())])
COUNTS = pa.schema([("word", pa.binary()), ("n", pa.int64()), ("note", pa.string())])
MARKS = pa.schema(
    [
        ("key", pa.binary()),
        ("portion", pa.int32()),
        ("n", pa.int64()),
        ("minima", pa.binary()),
        ("note", pa.string()),
    ]
)


class StageFailed(RuntimeError):
    """A portion that is worth another try."""


class Stage:
    """What a job does to each portion: plain data, so that it can travel to the workers.

    steps: as `millrace stage` takes them. plan: the text of the plan. form: what the rows are. schema: of what comes out,
    with a last column `note` that carries an error that no other try can mend. command: how millrace is started.
    out: dataset folder whose `.build` gets the files of partitions where a worker can see it.
    copies: by portion, documents to leave out.
    """

    def __init__(self, steps, plan, form, schema, command, out=None, copies=None):
        self.steps, self.plan, self.form, self.schema = steps, plan, form, schema
        self.command, self.out, self.copies = command, out, copies or {}
        self.hash = hashlib.sha256(plan.encode()).hexdigest()

    def run(self, batches, attempt=0):
        """Rows with a column `portion`, those of one portion together; of marks, which have no plan's portion, all are one."""
        process, current = None, None
        try:
            for batch in batches:
                if "note" in batch.schema.names:  # marks, of a step before that may have failed
                    failed = batch.filter(pc.is_valid(batch.column("note")))
                    if failed.num_rows:
                        yield failed.slice(0, 1).cast(self.schema)
                        return
                    batch = batch.drop_columns(["note"])
                for portion, rows in self._by_portion(batch):
                    if portion != current:
                        if process:
                            yield from process.end()
                        process, current = Process(self, portion, attempt), portion
                    process.feed(rows)
                    yield from process.ready()
                    if process.hopeless:
                        return
            if process:
                yield from process.end()
        finally:
            if process:
                process.stop()

    def _by_portion(self, batch):
        if batch.num_rows == 0:
            return
        if self.form in ("signatures", "bands"):
            yield 0, batch
            return
        for portion, start, end in runs(batch.column("portion")):
            yield portion, batch.slice(start, end - start).drop_columns(["portion"])

    def plan_file(self):
        """The plan as a file on this machine, written once."""
        folder = os.path.join(tempfile.gettempdir(), f"millrace-{os.getuid()}")
        os.makedirs(folder, mode=0o700, exist_ok=True)
        path = os.path.join(folder, f"{self.hash}.json")
        if not os.path.exists(path):
            write(path, self.plan.encode())
        return path

    def sees_out(self):
        """Is the dataset folder the same one here as where the job was started?"""
        if self.out is None:
            return False
        try:
            with open(os.path.join(self.out, ".build", "key.txt")) as file:
                return file.read() == f"stages {self.hash}\n"
        except OSError:
            return False


def runs(column):
    """(value, start, end) of each run of equal values."""
    changes = pc.indices_nonzero(pc.not_equal(column.slice(1), column.slice(0, len(column) - 1))).to_pylist()
    bounds = [0, *(at + 1 for at in changes), len(column)]
    return [(column[start].as_py(), start, end) for start, end in zip(bounds, bounds[1:])]


def write(path, data):
    """Whole or not at all; two attempts at once write the same bytes."""
    part = f"{path}.{os.getpid()}-{threading.get_ident()}.part"
    with open(part, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


class Process:
    """One portion on its way through `millrace stage`. Two threads listen, so that neither side waits for the other."""

    def __init__(self, stage, portion, attempt):
        self.stage, self.portion = stage, portion
        self.hopeless = False
        self._direct = stage.sees_out()
        self._writer, self._schema, self._failure = None, None, None
        self._out, self._log = queue.SimpleQueue(), []
        command = [*stage.command, "stage", stage.steps, "--plan", stage.plan_file()]
        command += ["--partition", str(portion), "--attempt", str(attempt)]
        try:
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)
        except OSError as error:
            raise StageFailed(
                f"millrace: the worker {os.uname().nodename} can't start {stage.command[0]}: {error.strerror}; "
                "install Node 20.19 or newer there, or name the command in MILLRACE_WORKER"
            ) from None
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._read, self._listen)]
        for thread in self._threads:
            thread.start()

    def feed(self, rows):
        try:
            if self._writer is None:
                about = {"plan": self.stage.hash, "form": self.stage.form}
                copies = self.stage.copies.get(str(self.portion))
                if copies:
                    about["copies"] = copies
                self._schema = rows.schema.with_metadata({KEY: json.dumps(about).encode()})
                self._writer = pa.ipc.new_stream(self._process.stdin, self._schema)
            self._writer.write_batch(pa.RecordBatch.from_arrays(rows.columns, schema=self._schema))
        except OSError:
            self._ended()  # too early: it says why

    def ready(self):
        """Batches that are there already."""
        while not self._out.empty():
            yield self._out.get()

    def end(self):
        """The last batches, once the process has ended well."""
        if not self.hopeless:
            try:
                if self._writer:
                    self._writer.close()
                self._process.stdin.close()
            except OSError:
                pass
            self._ended()
        yield from self.ready()

    def stop(self):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def _ended(self):
        """Waits for the end; raises where it was a bad one, or queues a batch that says what no other try can mend."""
        for thread in self._threads:
            thread.join()
        code = self._process.wait()
        said = " ".join(self._log[-3:]) or f"{self.stage.command[0]} ended with exit code {code} and said nothing"
        if code == 64:
            self.hopeless = True
            nulls = [pa.nulls(1, field.type) for field in self.stage.schema]
            self._out.put(pa.RecordBatch.from_arrays([*nulls[:-1], pa.array([said])], schema=self.stage.schema))
        elif code != 0 or self._failure:
            where = f"partition {self.portion}, worker {os.uname().nodename}, exit code {code}"
            raise StageFailed(f"millrace: {said if code else self._failure} ({where})")

    def _listen(self):
        for line in self._process.stderr:
            text = line.decode(errors="replace").strip()
            if text and not text.startswith('{"type":"progress"'):
                self._log.append(text)

    def _read(self):
        try:
            for batch in pa.ipc.open_stream(self._process.stdout):
                self._out.put(self._files(batch) if "data" in self.stage.schema.names else self._noted(batch.columns))
        except (pa.ArrowInvalid, OSError) as error:
            self._failure = error

    def _noted(self, columns):
        note = pa.nulls(len(columns[0]), pa.string())
        return pa.RecordBatch.from_arrays([*columns, note], schema=self.stage.schema)

    def _files(self, batch):
        """Files go into the dataset's folder where it can be seen; elsewhere they travel on."""
        names = batch.column("name")
        datas = batch.column("data").cast(pa.binary())
        if self._direct:
            for name, data in zip(names, datas):
                write(os.path.join(self.stage.out, ".build", name.as_py()), data.as_buffer())
            datas = pa.nulls(len(names), pa.binary())
        return self._noted([names, datas])

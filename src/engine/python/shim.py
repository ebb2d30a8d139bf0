"""Batches of rows in, through a `millrace stage` process a worker, the batches that it makes out.

This is all that runs of us inside an engine's Python worker: it needs pyarrow, node and millrace there, nothing else.
"""

import atexit
import collections
import hashlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import types

import pyarrow as pa
import pyarrow.compute as pc

KEY = b"millrace"
DONE, ENDED = None, False
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
        portion = None
        try:
            for batch in batches:
                if "note" in batch.schema.names:  # marks, of a step before that may have failed
                    failed = batch.filter(pc.is_valid(batch.column("note")))
                    if failed.num_rows:
                        yield failed.slice(0, 1).cast(self.schema)
                        return
                    batch = batch.drop_columns(["note"])
                for number, rows in self._by_portion(batch):
                    if portion is None or portion.number != number:
                        if portion:
                            yield from portion.end()
                            if portion.hopeless:
                                return
                        portion = Portion(self, number, attempt)
                    yield from portion.feed(rows)
                    if portion.hopeless:
                        return
            if portion:
                yield from portion.end()
        finally:
            if portion:
                portion.stop()

    def _by_portion(self, batch):
        if batch.num_rows == 0:
            return
        if self.form in ("signatures", "bands"):
            yield 0, batch
            return
        for portion, start, end in runs(batch.column("portion")):
            yield portion, batch.slice(start, end - start).drop_columns(["portion"])

    def process(self):
        """The command line of its process, the same for every portion."""
        return [*self.command, "stage", self.steps, "--plan", self.plan_file()]

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
    """A `millrace stage` that is given one portion after the other. Two threads listen, so that neither side waits for the
    other; `out` gets the batches of a portion, DONE behind them, and ENDED when the process has."""

    def __init__(self, stage):
        self.key, self.name = stage.process(), stage.command[0]
        self.out, self.log, self.failure = queue.SimpleQueue(), collections.deque(maxlen=3), None
        pipe = subprocess.PIPE
        try:
            self.child = subprocess.Popen(self.key, stdin=pipe, stdout=pipe, stderr=pipe)
        except OSError as error:
            raise StageFailed(
                f"millrace: the worker {os.uname().nodename} can't start {self.name}: {error.strerror}; "
                "install Node 20.19 or newer there, or name the command in MILLRACE_WORKER"
            ) from None
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._read, self._listen)]
        for thread in self._threads:
            thread.start()

    def _listen(self):
        for line in self.child.stderr:
            text = line.decode(errors="replace").strip()
            if text and not text.startswith('{"type":"progress"'):
                self.log.append(text)

    def _read(self):
        try:
            while self.child.stdout.peek(1):
                for batch in pa.ipc.open_stream(self.child.stdout):
                    self.out.put(batch)
                self.out.put(DONE)
        except (pa.ArrowInvalid, OSError) as error:
            self.failure = error
        self.out.put(ENDED)

    def wait(self):
        for thread in self._threads:
            thread.join()
        return self.child.wait()

    def close(self):
        """One that waits for its next portion ends when there is none to come."""
        try:
            self.child.stdin.close()
        except OSError:
            pass
        self.wait()

    def stop(self):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()


def kept():
    """A list of the process that waits for this worker's next portion, if one does. Each task brings its own copy of this
    module, so it lies where they all find it. It needs no clock: engines end workers that have nothing to do, and with
    the worker its end of the pipe goes, which ends the process."""
    place = sys.modules.get("millrace_kept")
    if place is None:
        place = sys.modules["millrace_kept"] = types.ModuleType("millrace_kept")
        place.processes = []
        atexit.register(lambda: [process.close() for process in place.processes])
    return place.processes


def take(stage):
    """A process for the next portion. One that has done others before is ready at once and knows their words."""
    while kept():
        process = kept().pop()
        if process.key == stage.process() and process.child.poll() is None:
            return process
        process.close()
    return Process(stage)


class Portion:
    """One portion on its way through a process."""

    def __init__(self, stage, number, attempt):
        self.stage, self.number, self.attempt = stage, number, attempt
        self.hopeless = False
        self._direct = stage.sees_out()
        self._writer, self._schema = None, None
        self._process = take(stage)

    def feed(self, rows):
        """Hands rows on; the batches that are there already."""
        try:
            if self._writer is None:
                self._open(rows.schema)
            self._writer.write_batch(pa.RecordBatch.from_arrays(rows.columns, schema=self._schema))
        except OSError:
            yield from self._failed()  # too early: it says why
            return
        while not self._process.out.empty():
            batch = self._process.out.get()
            if batch is ENDED:
                yield from self._failed()
                return
            yield self._finished(batch)

    def _open(self, schema):
        about = {"plan": self.stage.hash, "form": self.stage.form, "partition": self.number}
        copies = self.stage.copies.get(str(self.number))
        if copies:
            about["copies"] = copies
        self._schema = schema.with_metadata({KEY: json.dumps(about).encode()})
        self._writer = pa.ipc.new_stream(self._process.child.stdin, self._schema)

    def end(self):
        """The last batches; the process then waits for the next portion."""
        try:
            self._writer.close()
            self._process.child.stdin.flush()
        except OSError:
            pass
        while (batch := self._process.out.get()) is not DONE:
            if batch is ENDED:
                yield from self._failed()
                return
            yield self._finished(batch)
        kept().append(self._process)
        self._process = None

    def stop(self):
        if self._process:
            self._process.stop()

    def _failed(self):
        """The process has ended, or is about to: raises, or gives a batch that says what no other try can mend."""
        process = self._process
        code = process.wait()
        said = " ".join(process.log) or f"{process.name} ended with exit code {code} and said nothing"
        if code == 64:
            self.hopeless = True
            nulls = [pa.nulls(1, field.type) for field in self.stage.schema]
            yield pa.RecordBatch.from_arrays([*nulls[:-1], pa.array([said])], schema=self.stage.schema)
            return
        where = f"partition {self.number}, attempt {self.attempt}, worker {os.uname().nodename}, exit code {code}"
        raise StageFailed(f"millrace: {said if code else process.failure or said} ({where})")

    def _finished(self, batch):
        return self._files(batch) if "data" in self.stage.schema.names else self._noted(batch.columns)

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

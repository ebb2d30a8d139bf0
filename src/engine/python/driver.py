"""Jobs as lines of JSON on the standard input in, their results as lines on descriptor 3 out. Started by src/engine/engine.ts."""

import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


def open_engine(spec):
    if spec["engine"].startswith("ray"):
        from on_ray import Engine
    else:
        from on_spark import Engine
    return Engine(spec["engine"], spec.get("conf", {}))


def do(engine, spec):
    from job import Job

    kind = spec["job"]
    if kind == "list":
        return engine.list(spec["patterns"])
    job = Job(spec)
    if kind == "count":
        return engine.count(job, spec["out"])
    if kind == "dedup":
        return engine.dedup(job, spec["copies"])
    if kind == "build":
        return engine.build(job, spec["out"], spec.get("copies", {}))
    return engine.measure(job, spec["steps"])


def failure(error):
    """One line of it that a person can use."""
    from job import Hopeless

    if isinstance(error, Hopeless):
        return {"code": "input", "message": str(error).removeprefix("millrace stage ")}
    text = str(error)
    ours = [line[line.index("millrace: ") + 10 :] for line in text.splitlines() if "millrace: " in line]
    if ours:
        code = "environment" if "can't start" in ours[0] else "failed"
        return {"code": code, "message": ours[0].strip().strip("\"'")}
    lines = [line for line in text.splitlines() if line.strip()]
    return {"code": "failed", "message": f"{type(error).__name__}: {lines[0] if lines else 'no message'}", "detail": text}


def main():
    answers = os.fdopen(3, "w", buffering=1)

    def answer(**fields):
        answers.write(json.dumps(fields) + "\n")

    engine = None
    for line in sys.stdin:
        spec, started = json.loads(line), time.monotonic()
        try:
            if engine is None:
                engine = open_engine(spec)
                result = engine.about()
            else:
                result = do(engine, spec)
            answer(result=result, seconds=time.monotonic() - started)
        except ModuleNotFoundError as error:
            message = f"Python has no module {error.name}"
            name = "pyspark" if error.name == "pyspark" else error.name
            answer(error={"code": "environment", "message": message, "hint": f"{sys.executable} -m pip install {name}"})
        except Exception as error:
            answer(error=failure(error))
    if engine:
        engine.stop()


main()

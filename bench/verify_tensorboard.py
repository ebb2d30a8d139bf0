"""A run folder in: TensorBoard's own reader reads its event files, and each value is compared with metrics.jsonl.

    python bench/verify_tensorboard.py runs/quickstart        # exit code 0: all there and equal
"""
import json
import sys
from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

run = Path(sys.argv[1])
board = EventAccumulator(str(run), size_guidance={"scalars": 0, "tensors": 0})
board.Reload()
tags = board.Tags()
names = {"loss": "loss", "lr": "lr", "gradNorm": "grad_norm", "tokensPerSecond": "tokens_per_second"}

# A resumed run strikes out what it does again: the last line of each step counts, as in TensorBoard.
last = {}
for line in (run / "metrics.jsonl").read_text().splitlines():
    event = json.loads(line)
    if event["type"] in ("step", "validation"):
        last[event["type"], event["step"]] = event

wrong, compared = [], 0
for kind, prefix in (("step", "train"), ("validation", "validation")):
    events = [event for (type_, _), event in sorted(last.items()) if type_ == kind]
    read = {tag: {e.step: e.value for e in board.Scalars(tag)} for tag in tags["scalars"] if tag.startswith(prefix + "/")}
    for event in events:
        for tag, values in read.items():
            key = next((ours for ours, theirs in names.items() if tag == f"{prefix}/{theirs}"), tag.split("/", 1)[1])
            if not isinstance(event.get(key), (int, float)):
                continue
            compared += 1
            if np.float32(event[key]) != np.float32(values.get(event["step"], np.nan)):
                wrong.append((tag, event["step"], event[key], values.get(event["step"])))
    if events and f"{prefix}/loss" not in read:
        wrong.append((f"{prefix}/loss", "is missing"))

print(json.dumps({"scalars": tags["scalars"], "texts": tags["tensors"], "compared": compared, "wrong": wrong[:5]}, indent=1))
sys.exit(1 if wrong or compared == 0 else 0)

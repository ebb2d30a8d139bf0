"""What every peer of the encoding bench shares: options, documents of about 4 kB, timing on one thread.

One pass from a fresh tokenizer is cold, the median of the passes after it is warm; both in seconds of the clock and of
processor time. Prints one JSON object, as bench/encode.ts does.
"""

import argparse
import json
import os
import resource
import statistics
import time

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

SIZE = 4096


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vocab", required=True)
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--mb", type=float, default=10)
    parser.add_argument("--passes", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def documents(path, mb):
    with open(path, "rb") as file:
        data = file.read(int(mb * (1 << 20)))
    data = data.decode("utf-8", "ignore").encode()
    out, at = [], 0
    while at < len(data):
        end = min(at + SIZE, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        out.append(data[at:end].decode())
        at = end
    return out, len(data)


def measure(load):
    """`load(vocab)` gives a function from a list of texts to a number of ids; called afresh it starts cold."""
    args = options()
    texts, size = documents(args.corpus, args.mb)
    encode = load(args.vocab)
    rows = []
    for _ in range(args.passes + 1):
        clock, cpu = time.perf_counter(), time.process_time()
        tokens = encode(texts)
        rows.append((time.perf_counter() - clock, time.process_time() - cpu))
    warm = [statistics.median(column) for column in zip(*rows[1:])]
    mb = size / 1e6
    print(
        json.dumps(
            {
                "seconds": warm[0],
                "coldMbPerSecond": mb / rows[0][0],
                "warmMbPerSecond": mb / warm[0],
                "coldMbPerCpuSecond": mb / rows[0][1],
                "warmMbPerCpuSecond": mb / warm[1],
                "tokens": tokens,
                "peakRssMb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            }
        )
    )

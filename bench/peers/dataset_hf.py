"""Hugging Face on the same work: `datasets` map with two processes for `--what build`, the language modelling collator for
`--what mlm`. Takes the options of bench/dataset.ts and prints one JSON object."""
import argparse, glob, json, os, resource, tempfile, time

parser = argparse.ArgumentParser()
parser.add_argument("--what", default="build")
parser.add_argument("--files", action="append", required=True)
parser.add_argument("--vocab", required=True)
parser.add_argument("--seq-len", type=int)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--batch", type=int, default=256)
args, _ = parser.parse_known_args()
os.environ["TOKENIZERS_PARALLELISM"] = "false"
length = args.seq_len or (1024 if args.what == "build" else 128)
files = sorted(path for pattern in args.files for path in glob.glob(pattern))

from transformers import PreTrainedTokenizerFast

vocab = os.path.join(args.vocab, "tokenizer.json")
names = [token["content"] for token in json.load(open(vocab))["added_tokens"]]

if args.what == "build":
    from datasets import load_dataset

    def encode(batch):
        return {"ids": [ids + [end] for ids in tokenizer(batch["text"])["input_ids"]]}

    def group(batch):
        joined = [token for ids in batch["ids"] for token in ids]
        whole = len(joined) // length * length
        return {"input_ids": [joined[at : at + length] for at in range(0, whole, length)]}

    with tempfile.TemporaryDirectory() as cache:
        started, before = time.perf_counter(), os.times()
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=vocab, eos_token=names[0])
        end = tokenizer.eos_token_id
        loaded = time.perf_counter() - started
        data = load_dataset("json", data_files=files, split="train", cache_dir=cache)
        data = data.map(encode, batched=True, num_proc=args.threads, remove_columns=data.column_names)
        data = data.map(group, batched=True, num_proc=args.threads, remove_columns=["ids"])
        seconds, after = time.perf_counter() - started, os.times()
        tokens = len(data) * length
    cpu = sum(after[:4]) - sum(before[:4])  # this process and its children
    result = {"seconds": seconds, "loadSeconds": loaded, "secondsAfterLoading": seconds - loaded, "cpuSeconds": cpu, "tokens": tokens, "tokensPerSecond": round(tokens / seconds),
              "tokensPerCpuSecond": round(tokens / cpu)}
else:
    import numpy as np
    from datasets import Dataset
    from torch.utils.data import DataLoader
    from transformers import DataCollatorForLanguageModeling

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=vocab, mask_token="[MASK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", unk_token="[UNK]"
    )
    rng = np.random.default_rng(0)
    rows = rng.integers(1000, len(tokenizer), (args.batch * 20, length))
    rows[:, 0], rows[:, -1] = tokenizer.cls_token_id, tokenizer.sep_token_id
    size = args.batch * length

    def timed(batches):
        """Batches out, (tokens a second, tokens a second of processor time) of each, the first one left out."""
        rates = []
        started, before = time.perf_counter(), time.process_time()
        for _ in batches:
            rates.append((size / (time.perf_counter() - started), size / (time.process_time() - before)))
            started, before = time.perf_counter(), time.process_time()
        return [sorted(side)[len(rates) // 2] for side in zip(*rates[1:])]

    # The whole way: shuffled rows of an Arrow dataset, through a DataLoader in this process, as run_mlm.py does it.
    data = Dataset.from_dict({"input_ids": rows.tolist()})
    collate = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)
    whole = timed(DataLoader(data, batch_size=args.batch, shuffle=True, collate_fn=collate))
    # The collator on rows that are in memory as lists, at its fastest (NumPy).
    collate = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15, return_tensors="np")
    batch = [{"input_ids": row.tolist()} for row in rows[: args.batch]]
    alone = timed(collate(batch) for _ in range(16))
    result = {"tokensPerSecond": round(whole[0]), "tokensPerCpuSecond": round(whole[1]), "collatorAlone": round(alone[0]),
              "reusedTokensPerSecond": round(whole[0]), "reusedTokensPerCpuSecond": round(whole[1]),
              "reusedCollatorAlone": round(alone[0]), "batchSize": args.batch, "seqLen": length}

usage = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
result["peakRssMb"] = usage // 1024
print(json.dumps(result))

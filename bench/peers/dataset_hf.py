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

    tokenizer = PreTrainedTokenizerFast(tokenizer_file=vocab, eos_token=names[0])
    end = tokenizer.eos_token_id

    def encode(batch):
        return {"ids": [ids + [end] for ids in tokenizer(batch["text"])["input_ids"]]}

    def group(batch):
        joined = [token for ids in batch["ids"] for token in ids]
        whole = len(joined) // length * length
        return {"input_ids": [joined[at : at + length] for at in range(0, whole, length)]}

    with tempfile.TemporaryDirectory() as cache:
        started, before = time.perf_counter(), os.times()
        data = load_dataset("json", data_files=files, split="train", cache_dir=cache)
        data = data.map(encode, batched=True, num_proc=args.threads, remove_columns=data.column_names)
        data = data.map(group, batched=True, num_proc=args.threads, remove_columns=["ids"])
        seconds, after = time.perf_counter() - started, os.times()
        tokens = len(data) * length
    cpu = sum(after[:4]) - sum(before[:4])  # this process and its children
    result = {"seconds": seconds, "cpuSeconds": cpu, "tokens": tokens, "tokensPerSecond": round(tokens / seconds),
              "tokensPerCpuSecond": round(tokens / cpu)}
else:
    import numpy as np
    from transformers import DataCollatorForLanguageModeling

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=vocab, mask_token="[MASK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", unk_token="[UNK]"
    )
    collate = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15, return_tensors="np")
    rng = np.random.default_rng(0)
    rows = rng.integers(1000, len(tokenizer), (args.batch, length))
    rows[:, 0], rows[:, -1] = tokenizer.cls_token_id, tokenizer.sep_token_id
    batch = [{"input_ids": row.tolist()} for row in rows]
    collate(batch)
    rates, cpu_rates = [], []
    for _ in range(15):
        started, before = time.perf_counter(), time.process_time()
        collate(batch)
        rates.append(rows.size / (time.perf_counter() - started))
        cpu_rates.append(rows.size / (time.process_time() - before))
    middle = lambda values: round(sorted(values)[len(values) // 2])
    result = {"tokensPerSecond": middle(rates), "tokensPerCpuSecond": middle(cpu_rates), "batchSize": args.batch,
              "seqLen": length}

usage = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
result["peakRssMb"] = usage // 1024
print(json.dumps(result))

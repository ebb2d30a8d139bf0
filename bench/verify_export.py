"""The other side of verify_export.ts: an exported folder and our results in, differences printed, exit code 1 for any.

    python verify_export.py EXPORTED_FOLDER RESULTS_FOLDER
"""
import json
import sys

import tokenizers
import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

exported, results = sys.argv[1:3]
ours = load_file(f"{results}/ours.safetensors")
failed = []


def report(name, ok, text):
    print(f"{'ok  ' if ok else 'FAIL'} {name}: {text}")
    if not ok:
        failed.append(name)


print(f"transformers {transformers.__version__}, tokenizers {tokenizers.__version__}, torch {torch.__version__}")
model, info = AutoModelForCausalLM.from_pretrained(exported, output_loading_info=True)
model.eval()
missing, unexpected = list(info["missing_keys"]), list(info["unexpected_keys"])
report("weights", not missing and not unexpected, f"missing {missing}, unexpected {unexpected}")
ids = ours["input_ids"].long()
with torch.no_grad():
    logits = model(ids).logits[0]
difference = (logits - ours["logits"]).abs().max().item()
report("logits", difference <= 1e-4, f"largest difference on {ids.numel()} tokens {difference:.2e} (allowed 1e-4)")
prompt = ids[:, : ids.shape[1] - ours["generated"].numel()]
with torch.no_grad():
    new = model.generate(
        prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=ours["generated"].numel(), eos_token_id=None
    )[0, prompt.shape[1] :]
same = torch.equal(new.int(), ours["generated"].int())
report("generate", same, f"{int((new.int() == ours['generated'].int()).sum())} of {new.numel()} greedy tokens equal")

with open(f"{results}/files.json", encoding="utf-8") as file:
    paths = json.load(file)
tokenizer = tokenizers.Tokenizer.from_file(f"{exported}/tokenizer.json")
corpus, offsets = ours["corpus.ids"].tolist(), ours["corpus.offsets"].tolist()
different = []
for path, start, end in zip(paths, offsets, offsets[1:]):
    with open(path, encoding="utf-8", newline="") as file:
        if tokenizer.encode(file.read(), add_special_tokens=False).ids != corpus[start:end]:
            different.append(path)
report("tokenizers", not different, f"{len(paths) - len(different)} of {len(paths)} documents, {len(corpus)} tokens equal {different[:3] or ''}")
with open(paths[0], encoding="utf-8", newline="") as file:
    text = file.read()
auto = AutoTokenizer.from_pretrained(exported)
report("AutoTokenizer", auto(text, add_special_tokens=False).input_ids == corpus[offsets[0] : offsets[1]], type(auto).__name__)
sys.exit(1 if failed else 0)

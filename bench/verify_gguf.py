"""A .gguf file and the Hugging Face folder of the same model in: the Python package gguf reads the file, its weights are
put back into transformers' LlamaForCausalLM, and logits and tokens are compared. Exit code 1 for any difference.

    python verify_gguf.py MODEL.gguf HF_FOLDER
"""
import json
import sys

import gguf
import numpy
import torch
from transformers import AutoModelForCausalLM

path, folder = sys.argv[1:3]
reader = gguf.GGUFReader(path)
value = lambda key: reader.fields[key].contents()
config = json.load(open(f"{folder}/config.json", encoding="utf-8"))
heads, kv = config["num_attention_heads"], config["num_key_value_heads"]
failed = []


def report(name, ok, text):
    print(f"{'ok  ' if ok else 'FAIL'} {name}: {text}")
    if not ok:
        failed.append(name)


names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config["num_hidden_layers"])
model = AutoModelForCausalLM.from_pretrained(folder).eval()
stored = {tensor.name: tensor for tensor in reader.tensors}
state, lost = {}, []
for name, parameter in model.state_dict().items():
    found = names.get_name(name, try_suffixes=(".weight",))
    if found not in stored:
        if not (name == "lm_head.weight" and config["tie_word_embeddings"]):
            lost.append(name)
        continue
    data = numpy.array(stored.pop(found).data).reshape(parameter.shape)
    if name.endswith(("q_proj.weight", "k_proj.weight")):
        count = heads if "q_proj" in name else kv
        # The inverse of what llama.cpp's own converter does to the rows of each head.
        data = data.reshape(count, -1, 2, data.shape[1]).swapaxes(1, 2).reshape(data.shape)
    state[name] = torch.from_numpy(data.copy())
report("tensors", not lost and not stored, f"missing {lost}, left over {list(stored)}")
with torch.no_grad():
    ids = torch.arange(1, 33)[None] * 7 % config["vocab_size"]
    before = model(ids).logits
    for parameter in model.parameters():
        parameter.zero_()
    model.load_state_dict(state, strict=False)
    difference = (model(ids).logits - before).abs().max().item()
report("logits", difference == 0, f"largest difference {difference}")
expected = {"llama.context_length": config["max_position_embeddings"], "llama.block_count": config["num_hidden_layers"], "llama.attention.head_count": heads, "llama.attention.head_count_kv": kv, "llama.embedding_length": config["hidden_size"], "llama.feed_forward_length": config["intermediate_size"]}
wrong = {key: value(key) for key, wanted in expected.items() if value(key) != wanted}
report("keys", not wrong and abs(value("llama.rope.freq_base") - config["rope_theta"]) < 1e-3, f"wrong: {wrong}")
tokenizer = json.load(open(f"{folder}/tokenizer.json", encoding="utf-8"))
tokens, merges = value("tokenizer.ggml.tokens"), value("tokenizer.ggml.merges")
same = all(tokens[id] == token for token, id in tokenizer["model"]["vocab"].items())
join = lambda merge: merge if isinstance(merge, str) else " ".join(merge)
report("tokenizer", same and merges == [join(merge) for merge in tokenizer["model"]["merges"]], f"{len(tokens)} tokens, {len(merges)} merges, {value('tokenizer.ggml.pre')}")
sys.exit(1 if failed else 0)

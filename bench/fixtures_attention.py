"""Attention weights of the models in test/fixtures/models, by transformers: fixtures_attention.py MODELS_DIR OUT.json"""
import json
import sys

import torch
import transformers

folder, out = sys.argv[1:3]
IDS, TARGET = [5, 17, 3, 11, 29, 8], [7, 2, 19, 4]
CASES = {
    "llama_gqa": transformers.LlamaForCausalLM,
    "gpt2_lm": transformers.GPT2LMHeadModel,
    "bert_pretraining": transformers.BertForPreTraining,
    "marian": transformers.MarianMTModel,
}
found = {}
for name, cls in CASES.items():
    model = cls.from_pretrained(f"{folder}/{name}", attn_implementation="eager").eval()
    inputs = {"input_ids": torch.tensor([IDS])}
    if name == "marian":
        inputs["decoder_input_ids"] = torch.tensor([TARGET])
    with torch.no_grad():
        result = model(**inputs, output_attentions=True)
    kinds = {"encoder": "encoder_attentions", "decoder": "decoder_attentions", "decoder to source": "cross_attentions"}
    wanted = kinds if name == "marian" else {"self-attention": "attentions"}
    found[name] = {
        # [layers, heads, queries, keys]
        kind: [[[[round(w, 6) for w in row] for row in head] for head in layer[0].tolist()] for layer in result[key]]
        for kind, key in wanted.items()
    }
with open(out, "w", encoding="utf-8") as file:
    json.dump({"ids": IDS, "target": TARGET, "attention": found}, file, separators=(",", ":"))

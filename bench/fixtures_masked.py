"""What a BERT of test/fixtures/models says of masks, pairs and texts, by transformers: fixtures_masked.py MODEL_DIR OUT_DIR

Writes a WordPiece tokenizer.json of the model's size and expected.json."""
import json
import os
import string
import sys

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertForPreTraining, PreTrainedTokenizerFast

model_dir, out = sys.argv[1:3]
os.makedirs(out, exist_ok=True)
special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
words = "the mill wheel turns river and runs past a grain sacks of miller counts day all while by ?".split()
letters = list(string.ascii_lowercase)
entries = list(dict.fromkeys(special + words + letters + [f"##{c}" for c in letters] + list(".,!;:'-()0123456789")))[:101]
tokenizer = Tokenizer(models.WordPiece({token: i for i, token in enumerate(entries)}, unk_token="[UNK]"))
tokenizer.normalizer = normalizers.BertNormalizer()
tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
tokenizer.decoder = decoders.WordPiece()
tokenizer.add_special_tokens(special)
tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
tokenizer.save(f"{out}/tokenizer.json")
auto = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", mask_token="[MASK]", cls_token="[CLS]", sep_token="[SEP]", unk_token="[UNK]")
model = BertForPreTraining.from_pretrained(model_dir).eval()

masked = ["the [MASK] turns by the river.", "a miller counts [MASK] of [MASK]"]
pairs = [["the mill turns", "by the river"], ["a day", "sacks of grain, all the while past the mill"]]
texts = ["the river runs past the mill", "grain"]
with torch.no_grad():
    fillings = []
    for text in masked:
        ids = auto(text, return_tensors="pt")
        shares = model(**ids).prediction_logits[0].softmax(-1)
        places = (ids.input_ids[0] == auto.mask_token_id).nonzero()[:, 0].tolist()
        best = [shares[place].topk(3) for place in places]
        fillings.append([[[auto.convert_ids_to_tokens(int(i)), float(p)] for p, i in zip(top.values, top.indices)] for top in best])
    follows = [float(model(**auto(*pair, return_tensors="pt", return_token_type_ids=True)).seq_relationship_logits[0].softmax(-1)[0]) for pair in pairs]
    hidden = [model.bert(**auto(text, return_tensors="pt")).last_hidden_state[0] for text in texts]
json.dump(
    {
        "masked": masked, "fillings": fillings, "pairs": pairs, "follows": follows, "texts": texts,
        "mean": [h.mean(0).tolist() for h in hidden],
        "cls": [(h[0] / h[0].norm()).tolist() for h in hidden],
    },
    open(f"{out}/expected.json", "w", encoding="utf-8"),
)

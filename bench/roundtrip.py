"""Random models of transformers, in one file and in shards, through the command line and back:

    python roundtrip.py [MILLRACE ...]       the command, `node dist/cli/main.js` by default; exit code 1 for any difference

Each folder is exported as a Hugging Face folder (every tensor equal, greedy text equal) and as ONNX (logits within 1e-4 of
transformers, greedy ids over the key/value cache equal to `generate`). Needs torch, transformers, onnxruntime.
"""
import json
import os
import subprocess
import sys
import tempfile

import numpy
import torch
import transformers as T
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

try:
    import onnxruntime
except ImportError:
    onnxruntime = None
T.logging.set_verbosity_error()
T.utils.logging.disable_progress_bar()
command = sys.argv[1:] or ["node", "dist/cli/main.js"]
folder = tempfile.mkdtemp(prefix="roundtrip-")
failed = []


def report(name, ok, text):
    print(f"{'ok  ' if ok else 'FAIL'} {name}: {text}", flush=True)
    if not ok:
        failed.append(name)


def millrace(*args, text=None):
    done = subprocess.run([*command, *args], input=text, capture_output=True, encoding="utf-8")
    if done.returncode:
        raise SystemExit(f"{args}: {done.stderr}")
    return done.stdout


def vocabulary():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<pad>", "<s>", "</s>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    text = ["the mill wheel turns as the river runs past it, and the miller counts sacks of grain all day"] * 9
    tokenizer.train_from_iterator(text, trainers.BpeTrainer(vocab_size=320, special_tokens=special, initial_alphabet=alphabet))
    auto = T.PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>")
    # Not in add_special_tokens: prompts are taken as they are.
    return auto


tokenizer = vocabulary()
V = len(tokenizer)
ids = dict(vocab_size=V, pad_token_id=0, bos_token_id=1, eos_token_id=2)
llama = dict(hidden_size=48, intermediate_size=80, num_hidden_layers=3, num_attention_heads=6, num_key_value_heads=2, max_position_embeddings=64, initializer_range=0.2)
llama3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)
five = int(T.__version__.split(".")[0]) >= 5
scaled = dict(rope_parameters=dict(rope_theta=5e5, **llama3)) if five else dict(rope_theta=5e5, rope_scaling=llama3)
bert = dict(hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=80, max_position_embeddings=48, initializer_range=0.2)
marian = dict(d_model=48, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=80, decoder_ffn_dim=80, max_position_embeddings=64, init_std=0.2, decoder_start_token_id=0, forced_eos_token_id=None, vocab_size=V, pad_token_id=0, eos_token_id=2)
CASES = {
    "llama": lambda: T.LlamaForCausalLM(T.LlamaConfig(**ids, **llama)),
    "llama, tied, rope of LLaMA 3": lambda: T.LlamaForCausalLM(T.LlamaConfig(**ids, **llama, tie_word_embeddings=True, **scaled)),
    "gpt2": lambda: T.GPT2LMHeadModel(T.GPT2Config(**ids, n_embd=48, n_layer=3, n_head=4, n_positions=64, initializer_range=0.2)),
    "bert, pre-training": lambda: T.BertForPreTraining(T.BertConfig(**ids, **bert)),
    "bert, masked tokens": lambda: T.BertForMaskedLM(T.BertConfig(**ids, **bert)),
    "bert, classes": lambda: T.BertForSequenceClassification(T.BertConfig(**ids, **bert, num_labels=3)),
    "gpt2, classes": lambda: T.GPT2ForSequenceClassification(T.GPT2Config(**ids, n_embd=48, n_layer=2, n_head=4, n_positions=64, num_labels=3)),
    "marian": lambda: T.MarianMTModel(T.MarianConfig(**marian)),
}


def same_tensors(name, a, b):
    x, y = a.state_dict(), b.state_dict()
    different = [key for key in x if key not in y or not torch.equal(x[key], y[key])] + [key for key in y if key not in x]
    report(name, not different, f"{len(x)} tensors equal" if not different else f"differ: {different[:4]}")


def greedy_text(name, model, path):
    if not model.can_generate() or "Bert" in type(model).__name__:
        return
    if hasattr(model, "get_encoder") and model.config.is_encoder_decoder:
        source = "the wheel turns"
        given = torch.tensor([tokenizer(source, add_special_tokens=False).input_ids + [2]])
        with torch.no_grad():
            said = model.generate(input_ids=given, attention_mask=torch.ones_like(given), do_sample=False, num_beams=1, max_new_tokens=12, bad_words_ids=[[0]])[0]
        wanted = tokenizer.decode(said, skip_special_tokens=True)
        given = json.loads(millrace("translate", path, "-n", "12", "--json", text=source))["translations"][0]
    else:
        prompt = "the miller counts"
        start = torch.tensor([tokenizer(prompt, add_special_tokens=False).input_ids])
        with torch.no_grad():
            said = model.generate(input_ids=start, attention_mask=torch.ones_like(start), do_sample=False, max_new_tokens=20)[0]
        wanted = tokenizer.decode(said[start.shape[1] :], skip_special_tokens=True)
        given = json.loads(millrace("sample", path, "-p", prompt, "-n", "20", "--temperature", "0", "--json"))["continuations"][0]["text"]
    report(name, wanted == given, f"greedy text equal: {given!r}" if wanted == given else f"{given!r} for {wanted!r}")


def numpy_ids(rows):
    return numpy.array(rows, dtype=numpy.int64)


def onnx(name, model, path):
    if onnxruntime is None or type(model).__name__ == "GPT2ForSequenceClassification":
        return
    out = f"{path}-onnx"
    millrace("export", path, "--format", "onnx", "--out", out)
    run = {file[:-5]: onnxruntime.InferenceSession(f"{out}/onnx/{file}") for file in os.listdir(f"{out}/onnx")}
    rows = numpy_ids([[5, 90, 31, 200, 7, 3], [9, 300, 4, 0, 0, 0]])
    mask = numpy_ids([[1] * 6, [1] * 3 + [0] * 3])
    feed = torch.tensor(rows), torch.tensor(mask)
    if model.config.is_encoder_decoder:
        memory = run["encoder_model"].run(["last_hidden_state"], {"input_ids": rows, "attention_mask": mask})[0]
        session, target = run["decoder_model_merged"], numpy_ids([[0], [0]])
        given = lambda new: {"input_ids": new, "encoder_attention_mask": mask, "encoder_hidden_states": memory}
    elif "Bert" in type(model).__name__:
        with torch.no_grad():
            wanted = model(input_ids=feed[0], attention_mask=feed[1])
        got = run["model"].run(["logits"], {"input_ids": rows, "attention_mask": mask, "token_type_ids": 0 * rows})[0]
        logits = wanted.prediction_logits if "prediction_logits" in wanted else wanted.logits
        shown = mask[:, :, None] if got.ndim == 3 else 1
        worst = numpy.abs((got - logits.numpy()) * shown).max()
        return report(name, worst <= 1e-4, f"logits within {worst:.1e}")
    else:
        # generate wants padding on the left.
        rows, mask = rows[:, ::-1].copy(), mask[:, ::-1].copy()
        feed = torch.tensor(rows), torch.tensor(mask)
        session, target = run["model"], rows
        given = lambda new: {"input_ids": new}
    with torch.no_grad():
        wanted = model.generate(
            input_ids=feed[0], attention_mask=feed[1], do_sample=False, num_beams=1, max_new_tokens=10, eos_token_id=None, output_logits=True, return_dict_in_generate=True
        )
    cache = {i.name: numpy.zeros([2, i.shape[1], 0, i.shape[3]], numpy.float32) for i in session.get_inputs() if i.name.startswith("past")}
    new, all_ids, seen, worst = target, target, mask, 0.0
    for step in range(10):
        feeds = {**given(new), **cache}
        if not model.config.is_encoder_decoder:
            places = numpy.maximum(seen.cumsum(1) - 1, 0)
            feeds |= {"attention_mask": seen, "position_ids": places[:, -new.shape[1] :]}
        outputs = dict(zip([o.name for o in session.get_outputs()], session.run(None, feeds)))
        logits = outputs["logits"][:, -1]
        worst = max(worst, float(numpy.abs(logits - wanted.logits[step].numpy()).max()))
        new = logits.argmax(-1)[:, None].astype(numpy.int64)
        all_ids = numpy.concatenate([all_ids, new], 1)
        seen = numpy.concatenate([seen, numpy.ones_like(new)], 1)
        cache = {key: outputs[key.replace("past_key_values", "present")] for key in cache}
    same = numpy.array_equal(all_ids, wanted.sequences.numpy())
    report(name, same and worst <= 1e-4, f"logits of 10 tokens over the cache within {worst:.1e}, ids {'equal' if same else 'DIFFERENT'}")


print(f"transformers {T.__version__}, torch {torch.__version__}, onnxruntime {onnxruntime and onnxruntime.__version__}")
for number, (name, make) in enumerate(CASES.items()):
    torch.manual_seed(number)
    model = make().eval()
    for shards in (False, True):
        path = f"{folder}/{number}-{shards}"
        model.save_pretrained(path, max_shard_size="40KB" if shards else "5GB")
        tokenizer.save_pretrained(path)
        files = len([file for file in os.listdir(path) if file.endswith(".safetensors")])
        title = f"{name} ({files} file{'s' if files > 1 else ''})"
        millrace("export", path, "--format", "hf", "--out", f"{path}-hf")
        back, info = type(model).from_pretrained(f"{path}-hf", output_loading_info=True)
        if info["missing_keys"] or info["unexpected_keys"]:
            report(title, False, f"missing {info['missing_keys']}, unexpected {info['unexpected_keys']}")
        same_tensors(title, model, back)
    greedy_text(name, back.eval(), path)
    onnx(f"{name}, ONNX", model, path)
sys.exit(1 if failed else 0)

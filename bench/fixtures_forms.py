#!/usr/bin/env python3
"""Stored examples for `npm run parity` of attention alone and of AdamW alone, made by PyTorch in float64: fixtures_forms.py OUT_DIR

`forms_*`: Nadaraya-Watson, scaled dot-product and multi-head attention with their gradients. `optim_*`: parameters after the
given gradients under AdamW and a list of rates. Needs torch, safetensors."""
import json
import math
import os
import sys

import torch
from safetensors.torch import save_file

OUT = sys.argv[1]


def save(name, tensors, meta):
    folder = os.path.join(OUT, name)
    os.makedirs(folder, exist_ok=True)
    as_stored = {k: (v.float() if v.is_floating_point() else v.long()).detach().contiguous().clone() for k, v in tensors.items()}
    save_file(as_stored, os.path.join(folder, "expected.safetensors"))
    with open(os.path.join(folder, "meta.json"), "w", encoding="utf-8") as file:
        json.dump(meta, file, indent=1)


def draw(generator, *shape):
    """Numbers that float32 holds exactly, as leaves."""
    return torch.randn(*shape, generator=generator).double().requires_grad_()


def forms(name, heads, batch, queries, keys, width, own, points, asked, lengths):
    g = torch.Generator().manual_seed(len(name))
    e = {}
    x, y, query, w, target = draw(g, points), draw(g, points), draw(g, asked), draw(g, 1)[0].detach().requires_grad_(), draw(g, asked)
    weigh = lambda scale: torch.softmax(-(((query[:, None] - x[None]) * scale) ** 2) / 2, -1)
    e |= {"nw.x": x, "nw.y": y, "nw.query": query, "nw.weights": weigh(1), "nw.pred": weigh(1) @ y}
    pred = weigh(w) @ y
    loss = 0.5 * ((pred - target) ** 2).sum()
    e |= {"nwp.w": w, "nwp.target": target, "nwp.pred": pred, "nwp.loss": loss, "nwp.grad_w": torch.autograd.grad(loss, w)[0]}

    q, k, v, out = draw(g, batch, queries, width), draw(g, batch, keys, width), draw(g, batch, keys, width), draw(g, batch, queries, width)
    hidden = torch.arange(keys)[None] >= torch.tensor(lengths)[:, None]
    scores = (q @ k.transpose(1, 2) / math.sqrt(width)).masked_fill(hidden[:, None], -math.inf)
    weights = scores.softmax(-1)
    e |= {"sdpa.q": q, "sdpa.k": k, "sdpa.v": v, "sdpa.valid_len": torch.tensor(lengths), "sdpa.grad_out": out}
    e |= {"sdpa.out": weights @ v, "sdpa.weights": weights}
    grads = torch.autograd.grad((weights @ v * out).sum(), [q, k, v])
    e |= {f"sdpa.grad_{part}": grad for part, grad in zip("qkv", grads)}

    torch.manual_seed(len(name))
    mha = torch.nn.MultiheadAttention(width, heads, batch_first=True).double()
    with torch.no_grad():
        for p in mha.parameters():
            p.copy_((p + 0.1 * torch.randn_like(p)).float())
    many, shown = mha(q, k, v, key_padding_mask=hidden, average_attn_weights=False)
    e |= {f"mha.param.{n}": p for n, p in mha.named_parameters()} | {"mha.out": many, "mha.weights": shown}
    names, parameters = zip(*mha.named_parameters())
    grads = torch.autograd.grad((many * out).sum(), [q, k, v, *parameters])
    e |= {f"mha.grad_{part}": grad for part, grad in zip("qkv", grads)} | {f"mha.grad.{n}": grad for n, grad in zip(names, grads[3:])}
    s = draw(g, batch, own, width)
    later = torch.ones(own, own, dtype=torch.bool).triu(1)
    e |= {"self_causal.x": s, "self_causal.out": mha(s, s, s, attn_mask=later, need_weights=False)[0]}
    save(name, e, {"options": {"family": "attention", "heads": heads}})


forms("forms_narrow", 1, 1, 1, 1, 1, 1, 1, 1, [1])
forms("forms_odd", 3, 3, 7, 13, 21, 11, 33, 17, [13, 1, 5])
forms("forms_wide", 16, 2, 40, 65, 64, 33, 200, 3, [64, 65])


def optim(name, shapes, runs, steps=12, scale=1.0):
    g = torch.Generator().manual_seed(len(name))
    start = {k: draw(g, *shape).detach() for k, shape in shapes.items()}
    grads = {k: (scale * torch.randn(steps, *shape, generator=g)).double() for k, shape in shapes.items()}
    e = {f"p0.{k}": v for k, v in start.items()} | {f"g.{k}": v for k, v in grads.items()}
    metas = {}
    for key, run in runs.items():
        run = {"betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.01, "decay_groups": False, "clip": None, **run}
        own = {k: v.clone().requires_grad_() for k, v in start.items()}
        decays = lambda p: 0.0 if run["decay_groups"] and p.ndim < 2 else run["weight_decay"]
        groups = [{"params": [p], "weight_decay": decays(p)} for p in own.values()]
        adamw = torch.optim.AdamW(groups, betas=run["betas"], eps=run["eps"], amsgrad=run.get("amsgrad", False))
        for step, lr in enumerate(run["lrs"]):
            for k, p in own.items():
                p.grad = grads[k][step].clone()
            for group in adamw.param_groups:
                group["lr"] = lr
            if run["clip"] is not None:
                torch.nn.utils.clip_grad_norm_(own.values(), run["clip"])
            adamw.step()
        e |= {f"{key}.{k}": p for k, p in own.items()}
        metas[key] = run
    save(name, e, {"options": {"family": "optim"}, "runs": metas})


flat = [1e-3] * 12
SHAPES = {"a": [3], "b": [1], "c": [17, 33], "d": [5, 1, 4], "e": [2049]}
optim("optim_plain", SHAPES, {
    "plain": {"lrs": flat}, "nodecay": {"lrs": flat, "weight_decay": 0.0}, "groups": {"lrs": flat, "decay_groups": True, "weight_decay": 0.3},
    "clip": {"lrs": flat, "clip": 0.01}, "amsgrad": {"lrs": [0.01] * 12, "amsgrad": True, "clip": 2.0, "weight_decay": 0.1},
})
optim("optim_small", SHAPES, {
    "tiny_eps": {"lrs": flat, "eps": 1e-12}, "large_eps": {"lrs": flat, "eps": 1e-2}, "fast": {"lrs": flat, "betas": [0.5, 0.6]},
    "zero": {"lrs": [0.0] * 12}, "cosine": {"lrs": [0.01 * (1 + math.cos(math.pi * i / 12)) for i in range(12)], "decay_groups": True},
}, scale=1e-6)

"""The peer of bench/train.ts: the models of bench/models.json in PyTorch eager, with scaled_dot_product_attention, fused
AdamW and clipping, on random tokens. Prints one JSON object.
usage: train_torch.py --model llama-small [--steps 60] [--threads 2]"""
import argparse, json, os, resource, time
import torch, torch.nn as nn, torch.nn.functional as F

arg = argparse.ArgumentParser()
arg.add_argument("--model", default="llama-small")
arg.add_argument("--steps", type=int, default=60)
arg.add_argument("--threads", type=int, default=os.cpu_count())
A, _ = arg.parse_known_args()
torch.set_num_threads(A.threads)
torch.manual_seed(1)
preset = json.load(open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "models.json")))[A.model]
C, B, T, P = preset["config"], preset["batch"], preset["length"], preset.get("predictions")
V, WARMUP = C["vocab_size"], 5


def heads(x, n):
    b, t, _ = x.shape
    return x.view(b, t, n, -1).transpose(1, 2)


def join(x):
    b, h, t, d = x.shape
    return x.transpose(1, 2).reshape(b, t, h * d)


class Llama(nn.Module):
    def __init__(self):
        super().__init__()
        d, f, self.h = C["hidden_size"], C["intermediate_size"], C["num_attention_heads"]
        self.kv = C.get("num_key_value_heads", self.h)
        e = d // self.h * self.kv
        lin = lambda a, b: nn.Linear(a, b, bias=False)
        self.e = nn.Embedding(V, d)
        self.blocks = nn.ModuleList(
            nn.ModuleDict(dict(n1=nn.RMSNorm(d, 1e-6), n2=nn.RMSNorm(d, 1e-6), q=lin(d, d), k=lin(d, e), v=lin(d, e), o=lin(d, d), g=lin(d, f), u=lin(d, f), dn=lin(f, d)))
            for _ in range(C["num_hidden_layers"])
        )
        self.n, self.out = nn.RMSNorm(d, 1e-6), lin(d, V)
        hd = d // self.h
        a = torch.outer(torch.arange(T).float(), 1.0 / 10000 ** (torch.arange(0, hd, 2).float() / hd))
        a = torch.cat([a, a], -1)
        self.cos, self.sin = a.cos(), a.sin()
        for p in self.parameters():
            if p.ndim == 2:
                nn.init.normal_(p, 0, 0.02)
        if C.get("tie_word_embeddings"):
            self.out.weight = self.e.weight

    def forward(self, ids, labels, segments=None, positions=None):
        x, cos, sin = self.e(ids), self.cos, self.sin
        mask = None
        if segments is not None:
            cos, sin = cos[positions][:, None], sin[positions][:, None]
            mask = ((segments[:, :, None] == segments[:, None, :]) & torch.ones(T, T, dtype=torch.bool).tril())[:, None]

        def rope(x):
            half = x.shape[-1] // 2
            return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin

        for m in self.blocks:
            y = m["n1"](x)
            q, k, v = heads(m["q"](y), self.h), heads(m["k"](y), self.kv), heads(m["v"](y), self.kv)
            y = F.scaled_dot_product_attention(rope(q), rope(k), v, attn_mask=mask, is_causal=mask is None, enable_gqa=self.kv < self.h)
            x = x + m["o"](join(y))
            y = m["n2"](x)
            x = x + m["dn"](F.silu(m["g"](y)) * m["u"](y))
        return F.cross_entropy(self.out(self.n(x)).view(-1, V), labels.view(-1))


class Gpt(nn.Module):
    def __init__(self):
        super().__init__()
        d, self.h, bias = C["n_embd"], C["n_head"], C.get("bias", True)
        self.approximate = "none" if C.get("activation_function") == "gelu" else "tanh"
        norm, lin = (lambda: nn.LayerNorm(d, bias=bias)), (lambda a, b: nn.Linear(a, b, bias=bias))
        self.e, self.p = nn.Embedding(V, d), nn.Embedding(T, d)
        self.blocks = nn.ModuleList(
            nn.ModuleDict(dict(n1=norm(), n2=norm(), qkv=lin(d, 3 * d), o=lin(d, d), f=lin(d, 4 * d), p=lin(4 * d, d)))
            for _ in range(C["n_layer"])
        )
        self.n = norm()
        nn.init.normal_(self.e.weight, 0, 0.02)

    def forward(self, ids, labels):
        x = self.e(ids) + self.p.weight
        for m in self.blocks:
            q, k, v = (heads(y, self.h) for y in m["qkv"](m["n1"](x)).chunk(3, -1))
            x = x + m["o"](join(F.scaled_dot_product_attention(q, k, v, is_causal=True)))
            x = x + m["p"](F.gelu(m["f"](m["n2"](x)), approximate=self.approximate))
        return F.cross_entropy((self.n(x) @ self.e.weight.t()).view(-1, V), labels.view(-1))


class Bert(nn.Module):
    def __init__(self):
        super().__init__()
        d, f, self.h = C["hidden_size"], C["intermediate_size"], C["num_attention_heads"]
        norm = lambda: nn.LayerNorm(d, 1e-12)
        self.w, self.p, self.t, self.n = nn.Embedding(V, d), nn.Embedding(C["max_position_embeddings"], d), nn.Embedding(2, d), norm()
        self.blocks = nn.ModuleList(
            nn.ModuleDict(dict(q=nn.Linear(d, d), k=nn.Linear(d, d), v=nn.Linear(d, d), o=nn.Linear(d, d), n1=norm(), f=nn.Linear(d, f), p=nn.Linear(f, d), n2=norm()))
            for _ in range(C["num_hidden_layers"])
        )
        self.pool, self.nsp, self.tr, self.trn, self.b = nn.Linear(d, d), nn.Linear(d, 2), nn.Linear(d, d), norm(), nn.Parameter(torch.zeros(V))
        nn.init.normal_(self.w.weight, 0, 0.02)

    def forward(self, ids, types, mask, at, labels, order):
        x = self.n(self.w(ids) + self.p.weight[:T] + self.t(types))
        keep = mask.bool()[:, None, None]
        for m in self.blocks:
            q, k, v = (heads(m[c](x), self.h) for c in "qkv")
            x = m["n1"](x + m["o"](join(F.scaled_dot_product_attention(q, k, v, attn_mask=keep))))
            x = m["n2"](x + m["p"](F.gelu(m["f"](x))))
        picked = x.gather(1, at[..., None].expand(-1, -1, x.shape[-1])).view(-1, x.shape[-1])
        logits = self.trn(F.gelu(self.tr(picked))) @ self.w.weight.t() + self.b
        return F.cross_entropy(logits, labels.view(-1)) + F.cross_entropy(self.nsp(torch.tanh(self.pool(x[:, 0]))), order)


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        d, f, self.h, self.d = C["d_model"], C["ff"], C["heads"], C["d_model"]
        self.e = nn.Embedding(V, d)
        nn.init.normal_(self.e.weight, 0, d**-0.5)
        attention = lambda: nn.ModuleDict(dict(q=nn.Linear(d, d), k=nn.Linear(d, d), v=nn.Linear(d, d), o=nn.Linear(d, d), n=nn.LayerNorm(d)))
        feed = lambda: nn.ModuleDict(dict(f=nn.Linear(d, f), p=nn.Linear(f, d), n=nn.LayerNorm(d)))
        self.enc = nn.ModuleList(nn.ModuleList([attention(), feed()]) for _ in range(C["encoder_layers"]))
        self.dec = nn.ModuleList(nn.ModuleList([attention(), attention(), feed()]) for _ in range(C["decoder_layers"]))
        at = torch.arange(T)[:, None] * torch.exp(torch.arange(0, d, 2) * (-torch.log(torch.tensor(10000.0)) / d))
        self.pos = torch.stack([at.sin(), at.cos()], -1).view(T, d)

    def attend(self, m, x, y, mask):
        q, k, v = heads(m["q"](x), self.h), heads(m["k"](y), self.h), heads(m["v"](y), self.h)
        return m["n"](x + m["o"](join(F.scaled_dot_product_attention(q, k, v, attn_mask=mask))))

    def forward(self, src, src_mask, trg, trg_mask, labels):
        keep, causal = src_mask.bool()[:, None, None], torch.ones(T, T, dtype=torch.bool).tril()[None, None] & trg_mask.bool()[:, None, None]
        embed = lambda ids: self.e(ids) * self.d**0.5 + self.pos
        feed = lambda m, x: m["n"](x + m["p"](F.relu(m["f"](x))))
        x = embed(src)
        for a, f in self.enc:
            x = feed(f, self.attend(a, x, x, keep))
        y = embed(trg)
        for a, c, f in self.dec:
            y = feed(f, self.attend(c, self.attend(a, y, y, causal), x, keep))
        return F.cross_entropy((y @ self.e.weight.t()).view(-1, V), labels.view(-1))


def batch():
    ids, ones = torch.randint(V, (B, T)), torch.ones(B, T, dtype=torch.long)
    if C["family"] == "bert":
        return ids, torch.zeros_like(ids), ones, torch.randint(T, (B, P)), torch.randint(V, (B, P)), torch.randint(2, (B,))
    if C["family"] == "transformer":
        return ids, ones, torch.randint(V, (B, T)), ones, torch.randint(V, (B, T))
    if preset.get("packed"):
        at = torch.arange(T).expand(B, T)
        segments = (at >= T // 2).long()
        return ids, torch.randint(V, (B, T)), segments, at - segments * (T // 2)
    return ids, torch.randint(V, (B, T))


model = dict(llama=Llama, gpt=Gpt, bert=Bert, transformer=Transformer)[C["family"]]()
params = list(model.parameters())
groups = [dict(params=[p for p in params if p.ndim >= 2], weight_decay=0.1), dict(params=[p for p in params if p.ndim < 2], weight_decay=0.0)]
optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95), fused=True)
times, begun = [], 0.0
for step in range(A.steps + WARMUP):
    if step == WARMUP:
        begun = time.process_time()
    start = time.perf_counter()
    loss = model(*batch())
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(params, 1.0)
    optimizer.step()
    last = loss.item()
    times.append(1e3 * (time.perf_counter() - start))
cpu = 1e3 * (time.process_time() - begun) / A.steps
times = sorted(times[WARMUP:])
print(json.dumps(dict(model=A.model, parameters=sum(p.numel() for p in params), seconds=times[len(times) // 2] / 1e3, msPerStep=times[len(times) // 2],
                      msPerStepBest=times[0], cpuMsPerStep=cpu, loss=last, threads=A.threads, torch=torch.__version__,
                      peakRssMb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)))

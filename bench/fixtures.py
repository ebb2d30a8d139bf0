#!/usr/bin/env python3
"""Stored examples for `npm run parity`, made by PyTorch and transformers in float64: fixtures.py OUT_DIR [NAME_PART].

Each folder gets config.json, model.safetensors, meta.json and expected.safetensors: inputs `in.*`, outputs `out.*`, gradients
`grad.*`, `grad_norm`, and the parameters after 5 steps of AdamW under two recipes. Every case changes some options that the
configs allow: sizes, ties, biases, activations, scalings, padding, label smoothing. Needs torch, transformers, safetensors."""
import json, math, os, sys
import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
from safetensors.torch import save_file
from transformers import (BertConfig, BertForMaskedLM, BertForPreTraining, BertForSequenceClassification, GPT2Config, GPT2LMHeadModel,
                          LlamaConfig, LlamaForCausalLM, MarianConfig, MarianMTModel)
from transformers.models.llama.modeling_llama import LlamaRMSNorm

OUT, PART = sys.argv[1], (sys.argv[2] if len(sys.argv) > 2 else '')
LRS = [2e-3 * (i + 1) / 3 for i in range(2)] + [2e-4 + 0.5 * (1 + math.cos(math.pi * (i - 2) / 3)) * 1.8e-3 for i in range(2, 5)]
RECIPES = {
    'adamw_plain': dict(lr=1e-3, betas=[0.9, 0.999], eps=1e-8, weight_decay=0.01, decay_on='all trainable parameters', clip=None, steps=5),
    'adamw_recipe': dict(lr=LRS, betas=[0.9, 0.95], eps=1e-8, weight_decay=0.1, decay_on='parameters with ndim>=2', clip='global L2 norm 0.5', steps=5),
}


def f32(t):
    return t.detach().to(torch.float32).contiguous().clone() if t.is_floating_point() else t.detach().to(torch.int64).contiguous().clone()


def record(name, module, inputs, forward, options, trainable=None, files=None):
    """`forward(**inputs)` gives the outputs, `loss` among them. Parameters are jittered so that none sits at 0 or 1."""
    folder = os.path.join(OUT, name)
    os.makedirs(folder, exist_ok=True)
    torch.manual_seed(len(name))
    with torch.no_grad():
        for p in (p for p in module.parameters() if p.requires_grad):
            p.copy_(f32(p + 0.1 * torch.randn_like(p)))
        for k, b in module.named_buffers():
            if k.endswith('final_logits_bias'): b.copy_(f32(torch.randn_like(b)))
    start = {k: v.detach().clone() for k, v in module.state_dict().items()}
    # Where nothing is tied, decoder.bias acts and this one doesn't; nor does Marian's shared table.
    unused = ('cls.predictions.bias', 'model.shared.weight') if getattr(getattr(module, 'config', None), 'tie_word_embeddings', True) is False else ()
    named = [(k, p) for k, p in module.named_parameters() if (trainable is None or k in trainable) and k not in unused and p.requires_grad]
    e = {f'in.{k}': v for k, v in inputs.items()}
    out = forward(**inputs)
    grads = torch.autograd.grad(out['loss'], [p for _, p in named])
    e.update({f'out.{k}': v for k, v in out.items()})
    e.update({f'grad.{k}': g for (k, _), g in zip(named, grads)})
    e['grad_norm'] = torch.sqrt(sum((g ** 2).sum() for g in grads))
    for key, r in RECIPES.items():
        module.load_state_dict(start)
        every = r['decay_on'].startswith('all')
        groups = [dict(params=[p for _, p in named if p.ndim >= 2 or every], weight_decay=r['weight_decay']),
                  dict(params=[p for _, p in named if p.ndim < 2 and not every], weight_decay=0.0)]
        opt = torch.optim.AdamW([g for g in groups if g['params']], lr=1e-3, betas=r['betas'], eps=r['eps'])
        losses = []
        for s in range(r['steps']):
            for g in opt.param_groups: g['lr'] = r['lr'][s] if isinstance(r['lr'], list) else r['lr']
            loss = forward(**inputs)['loss']
            losses.append(loss.item())
            opt.zero_grad(); loss.backward()
            for k, p in module.named_parameters():
                if trainable is not None and k not in trainable: p.grad = None
            if r['clip']: nn.utils.clip_grad_norm_([p for _, p in named], 0.5)
            opt.step()
        losses.append(forward(**inputs)['loss'].item())
        e[f'{key}.losses'] = torch.tensor(losses)
        e.update({f'{key}.param.{k}': p.detach().clone() for k, p in named})
    save_file({k: f32(v) for k, v in e.items()}, os.path.join(folder, 'expected.safetensors'))
    module.load_state_dict(start)
    if files: files(folder)
    else: save_file({k: f32(v) for k, v in unique(module).items()}, os.path.join(folder, 'model.safetensors'))
    json.dump({'name': name, 'options': options, **RECIPES}, open(os.path.join(folder, 'meta.json'), 'w'), indent=1)
    print(name, sum(p.numel() for _, p in named), 'trained parameters, loss', float(out['loss']), flush=True)


def unique(module):
    """The state without the second names of tied tensors."""
    seen, kept = set(), {}
    for k, v in module.state_dict().items():
        if v.data_ptr() in seen or 'embed_positions' in k or 'position_ids' in k: continue
        seen.add(v.data_ptr()); kept[k] = v
    return kept


def ids(*shape, low=5, high, seed=0):
    return torch.tensor(np.random.default_rng(seed).integers(low, high, shape))


def lengths_mask(lengths, time, left=False):
    m = torch.tensor([[1 if i < n else 0 for i in range(time)] for n in lengths])
    return m.flip(1) if left else m


def hf(model_class, config):
    torch.manual_seed(1)
    config._attn_implementation = 'eager'
    m = model_class(config).double().eval()
    for b in m.buffers(): assert b.dtype != torch.float16
    return m


def saved_by_hf(m):
    def files(folder):
        import copy
        c = copy.deepcopy(m).float(); c.save_pretrained(folder)
    return files


def llama(name, batch=2, time=11, mask=None, ignore=0, pads=False, silent=None, **kw):
    if PART not in name: return
    base = dict(vocab_size=61, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
                max_position_embeddings=64, attn_implementation='eager', use_cache=False)
    theta = kw.pop('theta', None)
    scaling = kw.pop('scaling', None)
    if theta or scaling: base['rope_parameters'] = {'rope_theta': theta or 10000.0, 'rope_type': 'default', **(scaling or {})}
    m = hf(LlamaForCausalLM, LlamaConfig(**{**base, **kw}))
    if kw.get('rms_norm_bias'):
        for norm in [n for n in m.modules() if isinstance(n, LlamaRMSNorm)]:
            norm.bias = nn.Parameter(torch.zeros_like(norm.weight))
            norm.forward = lambda x, norm=norm: LlamaRMSNorm.forward(norm, x) + norm.bias
    x = ids(batch, time, high=base['vocab_size'])
    if pads: x[:, ::3] = kw['pad_token_id']
    y = x.clone(); y[:, :ignore] = -100
    if silent is not None: y[silent] = -100
    inp = dict(input_ids=x, labels=y)
    if mask is not None:
        inp['attention_mask'] = mask; inp['labels'] = y.masked_fill(mask == 0, -100)
    def forward(**i):
        o = m(**i); return dict(loss=o.loss, logits=o.logits)
    record(name, m, inp, forward, {'family': 'llama'}, files=saved_by_hf(m))


llama('llama_tied', tie_word_embeddings=True, num_key_value_heads=4, num_hidden_layers=1)
llama('llama_headdim', head_dim=8, num_attention_heads=3, num_key_value_heads=1, hidden_size=30)
llama('llama_biases', attention_bias=True, mlp_bias=True, num_hidden_layers=3, rms_norm_eps=1e-6)
llama('llama_theta', theta=500000.0, time=23, ignore=4)
llama('llama_llama3', theta=500000.0, time=40, head_dim=16, scaling=dict(rope_type='llama3', factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16))
llama('llama_linear', scaling=dict(rope_type='linear', factor=2.0), time=30)
llama('llama_yarn', scaling=dict(rope_type='yarn', factor=4.0, original_max_position_embeddings=16), head_dim=16, time=40)
llama('llama_gelu', hidden_act='gelu', batch=5)
llama('llama_rightpad', batch=3, time=12, mask=lengths_mask([12, 7, 3], 12), pad_token_id=0)
llama('llama_padid', pads=True, pad_token_id=7, tie_word_embeddings=True)
llama('llama_mqa', batch=1, time=7, vocab_size=101, hidden_size=40, intermediate_size=37, num_attention_heads=8, num_key_value_heads=1, head_dim=6)
llama('llama_short', batch=1, time=2, num_hidden_layers=1, hidden_size=2, intermediate_size=1, num_attention_heads=1, num_key_value_heads=1)
llama('llama_eps', rms_norm_eps=0.05, hidden_act='relu', silent=0, num_hidden_layers=4)
llama('llama_long', batch=1, time=300, max_position_embeddings=512, num_hidden_layers=1, head_dim=32)
llama('llama_deep', batch=3, time=19, vocab_size=511, hidden_size=48, intermediate_size=96, num_hidden_layers=6, num_attention_heads=12, num_key_value_heads=4)
llama('llama_normbias', rms_norm_bias=True)


def gpt2(name, batch=3, time=10, mask=None, **kw):
    if PART not in name: return
    m = hf(GPT2LMHeadModel, GPT2Config(**{**dict(vocab_size=53, n_positions=32, n_embd=24, n_layer=2, n_head=3, embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0,
           bos_token_id=1, eos_token_id=2, use_cache=False), **kw}))
    x = ids(batch, time, high=53)
    inp = dict(input_ids=x)
    if mask is not None: inp.update(attention_mask=mask, labels=x.masked_fill(mask == 0, -100))
    def forward(input_ids, labels=None, attention_mask=None):
        o = m(input_ids=input_ids, attention_mask=attention_mask, labels=input_ids if labels is None else labels); return dict(loss=o.loss, logits=o.logits)
    record(name, m, inp, forward, {'family': 'gpt2'}, files=saved_by_hf(m))


gpt2('gpt2_inner', n_inner=36, n_layer=3, n_head=4)
gpt2('gpt2_untied', tie_word_embeddings=False, activation_function='relu', n_layer=1)
gpt2('gpt2_gelu', activation_function='gelu', layer_norm_epsilon=1e-3, time=32)
gpt2('gpt2_silu', activation_function='silu', scale_attn_by_inverse_layer_idx=True)
gpt2('gpt2_unscaled', scale_attn_weights=False, activation_function='gelu_pytorch_tanh', initializer_range=0.1)
gpt2('gpt2_padded', batch=4, mask=lengths_mask([10, 4, 6, 1], 10), activation_function='quick_gelu')
gpt2('gpt2_narrow', batch=1, time=2, n_embd=7, n_layer=1, n_head=1, n_inner=3)
gpt2('gpt2_deep', batch=2, time=31, n_embd=40, n_layer=6, n_head=8)
gpt2('gpt2_ends', batch=2, time=9, n_positions=9, mask=lengths_mask([9, 1], 9), layer_norm_epsilon=1e-12, activation_function='gelu_fast')


class FineTune(nn.Module):
    def __init__(s, lm, labels):
        super().__init__(); s.lm = lm; s.score = nn.Linear(lm.config.n_embd, labels, bias=False).double()
    def forward(s, input_ids, attention_mask, labels, lm_labels, lam):
        h = s.lm.transformer(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        last = attention_mask.sum(1) - 1
        cls = s.score(h[torch.arange(len(h)), last]); lg = s.lm.lm_head(h)
        ft = F.cross_entropy(cls, labels); pt = F.cross_entropy(lg[:, :-1].reshape(-1, lg.shape[-1]), lm_labels[:, 1:].reshape(-1), ignore_index=-100)
        return dict(loss=ft + lam * pt, ft_loss=ft, pt_loss=pt, cls_logits=cls, lm_logits_valid=lg * attention_mask[..., None])


def gpt2_ft(name, lam, labels, lengths, **kw):
    if PART not in name: return
    lm = hf(GPT2LMHeadModel, GPT2Config(**{**dict(vocab_size=53, n_positions=32, n_embd=24, n_layer=2, n_head=3, embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0, use_cache=False), **kw}))
    m = FineTune(lm, labels).eval()
    time, n = max(lengths), len(lengths)
    mask = lengths_mask(lengths, time); x = ids(n, time, high=53) * mask
    def files(folder):
        saved_by_hf(lm)(folder); save_file({'score.weight': f32(m.score.weight)}, os.path.join(folder, 'head.safetensors'))
    record(name, m, dict(input_ids=x, attention_mask=mask, labels=torch.arange(n) % labels, lm_labels=x.masked_fill(mask == 0, -100)),
           lambda **i: m(**i, lam=lam), {'family': 'gpt2', 'lambda': lam}, files=files)


gpt2_ft('gpt2ft_zero', 0.0, 2, [9, 5, 7, 2])
gpt2_ft('gpt2ft_two', 2.0, 5, [12, 12, 3], n_layer=1, n_inner=30)
gpt2_ft('gpt2ft_untied', 0.25, 3, [6, 1, 8, 8, 4], tie_word_embeddings=False)
gpt2_ft('gpt2ft_one', 1.0, 9, [3], n_layer=3, n_head=8)


def bert(name, head, batch=4, lengths=(14, 9, 14, 5), mask_p=0.3, labels=2, trainable=None, **kw):
    if PART not in name: return
    cls = {'pretraining': BertForPreTraining, 'maskedlm': BertForMaskedLM}.get(head, BertForSequenceClassification)
    m = hf(cls, BertConfig(**{**dict(vocab_size=67, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40, max_position_embeddings=20,
           hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, num_labels=labels), **kw}))
    time = max(lengths); am = lengths_mask(lengths, time); x = ids(batch, time, high=67) * am
    tt = ((torch.arange(time)[None] >= torch.tensor(lengths)[:, None] // 2) & (am == 1)).long()
    inp = dict(input_ids=x, token_type_ids=tt, attention_mask=am)
    if head in ('pretraining', 'maskedlm'):
        pick = torch.tensor(np.random.default_rng(3).random((batch, time)) < mask_p) & (am == 1); pick[0, 1] = True
        inp['labels'] = torch.where(pick, x, -100)
    if head == 'pretraining': inp['next_sentence_label'] = torch.arange(batch) % 2
    if head.startswith('seqcls'): inp['labels'] = torch.arange(batch) % labels
    def forward(**i):
        o = m(**i)
        if head != 'pretraining': return dict(loss=o.loss, logits=o.logits)
        mlm = F.cross_entropy(o.prediction_logits.view(-1, 67), i['labels'].view(-1)); nsp = F.cross_entropy(o.seq_relationship_logits, i['next_sentence_label'])
        return dict(loss=o.loss, mlm_loss=mlm, nsp_loss=nsp, prediction_logits=o.prediction_logits, seq_relationship_logits=o.seq_relationship_logits)
    record(name, m, inp, forward, {'family': 'bert', 'head': head, **({'trainable': trainable} if trainable else {})}, trainable=trainable, files=saved_by_hf(m))


bert('bert_relu', 'pretraining', hidden_act='relu', num_hidden_layers=1, type_vocab_size=3)
bert('bert_gelunew', 'pretraining', hidden_act='gelu_new', layer_norm_eps=1e-5, num_attention_heads=2, num_hidden_layers=3)
bert('bert_untied', 'maskedlm', tie_word_embeddings=False)
bert('bert_silu', 'maskedlm', hidden_act='silu', pad_token_id=9, mask_p=0.6)
bert('bert_nopad', 'maskedlm', lengths=(20, 20, 20, 20), pad_token_id=None)
bert('bert_cls2', 'seqcls_whole', labels=2, num_hidden_layers=3)
bert('bert_cls7', 'seqcls_whole', labels=7, classifier_dropout=0.0)
bert('bert_head', 'seqcls_headonly', labels=4, trainable=['classifier.weight', 'classifier.bias'])
bert('bert_headpool', 'seqcls_headonly', labels=3, trainable=['classifier.weight', 'classifier.bias', 'bert.pooler.dense.weight', 'bert.pooler.dense.bias'])
bert('bert_narrow', 'pretraining', batch=1, lengths=(2,), hidden_size=7, num_attention_heads=1, intermediate_size=3, num_hidden_layers=1)
bert('bert_allmasked', 'maskedlm', batch=3, lengths=(20, 3, 1), mask_p=1.0, hidden_size=27, num_attention_heads=9)
bert('bert_deep', 'pretraining', batch=5, lengths=(16, 16, 2, 7, 3), num_hidden_layers=6, hidden_size=48, num_attention_heads=12, intermediate_size=100, layer_norm_eps=1e-3)
bert('bert_emptyrow', 'pretraining', batch=3, lengths=(9, 0, 4))
bert('bert_cls_one', 'seqcls_whole', batch=1, lengths=(3,), labels=11, num_hidden_layers=1)


def greedy_of(step, rows, start, end, limit):
    y = torch.full((rows, 1), start); done = torch.zeros(rows, dtype=torch.bool)
    while y.shape[1] < limit and not done.all():
        nx = step(y.masked_fill((torch.arange(y.shape[1])[None] > 0) & (y == -1), 0)).argmax(-1).masked_fill(done, 0)
        y = torch.cat([y, nx[:, None]], 1); done |= nx == end
    return y


def marian(name, src=(9, 5, 7), trg=(8, 8, 3), **kw):
    if PART not in name: return
    V = kw.get('decoder_vocab_size', 47)
    m = hf(MarianMTModel, MarianConfig(**{**dict(vocab_size=47, decoder_vocab_size=47, d_model=24, encoder_layers=2, decoder_layers=2, encoder_attention_heads=3, decoder_attention_heads=3,
           encoder_ffn_dim=40, decoder_ffn_dim=40, max_position_embeddings=32, dropout=0.0, attention_dropout=0.0, activation_dropout=0.0, scale_embedding=True, activation_function='swish',
           pad_token_id=46, eos_token_id=0, decoder_start_token_id=46, forced_eos_token_id=None, use_cache=False), **kw}))
    sm, tm = lengths_mask(src, max(src)), lengths_mask(trg, max(trg)); pad = m.config.pad_token_id
    x = torch.where(sm == 1, ids(len(src), max(src), low=1, high=40), pad)
    y = ids(len(trg), max(trg), low=1, high=40, seed=5).masked_fill(tm == 0, -100)
    for r, n in enumerate(trg): y[r, n - 1] = 0
    di = torch.cat([torch.full((len(trg), 1), m.config.decoder_start_token_id), torch.where(y[:, :-1] >= 0, y[:, :-1], pad)], 1)
    def forward(**i):
        o = m(input_ids=i['input_ids'], attention_mask=i['attention_mask'], decoder_input_ids=i['decoder_input_ids'], decoder_attention_mask=i['decoder_attention_mask'])
        lg = o.logits
        return dict(loss=F.cross_entropy(lg.reshape(-1, lg.shape[-1]), i['labels'].reshape(-1)), logits_valid=lg * i['decoder_attention_mask'][..., None],
                    encoder_valid=o.encoder_last_hidden_state * i['attention_mask'][..., None])
    inp = dict(input_ids=x, attention_mask=sm, decoder_input_ids=di, decoder_attention_mask=tm, labels=y)
    record(name, m, inp, forward, {'family': 'marian'}, files=saved_by_hf(m))
    with torch.no_grad(): g = greedy_of(lambda d: m(input_ids=x, attention_mask=sm, decoder_input_ids=d).logits[:, -1], len(src), m.config.decoder_start_token_id, 0, 12)
    add_greedy(name, g)


def add_greedy(name, g):
    from safetensors.torch import load_file
    p = os.path.join(OUT, name, 'expected.safetensors'); e = load_file(p); e['greedy_ids'] = g.contiguous(); save_file(e, p)
    q = os.path.join(OUT, name, 'meta.json'); j = json.load(open(q)); j['options']['greedy_shape'] = list(g.shape); json.dump(j, open(q, 'w'), indent=1)


marian('marian_relu', activation_function='relu', encoder_layers=1, decoder_layers=3)
marian('marian_gelu', activation_function='gelu', scale_embedding=False, encoder_attention_heads=2, decoder_attention_heads=4, decoder_ffn_dim=56)
marian('marian_unshared', share_encoder_decoder_embeddings=False, tie_word_embeddings=False, decoder_vocab_size=51)
marian('marian_unshared_tied', share_encoder_decoder_embeddings=False, tie_word_embeddings=True)
marian('marian_shared_untied', share_encoder_decoder_embeddings=True, tie_word_embeddings=False)
marian('marian_odd', d_model=21, encoder_attention_heads=3, decoder_attention_heads=3, pad_token_id=3, decoder_start_token_id=3)
marian('marian_short', src=(1,), trg=(1,), encoder_layers=1, decoder_layers=1, encoder_attention_heads=1, decoder_attention_heads=1)
marian('marian_uneven', src=(15, 2), trg=(3, 21), encoder_layers=4, decoder_layers=1, encoder_attention_heads=12, decoder_attention_heads=2, encoder_ffn_dim=11, decoder_ffn_dim=90)
marian('marian_emptysource', src=(6, 0), trg=(4, 4), activation_function='gelu_new')


class Vanilla(nn.Module):
    def __init__(s, V, d, H, ff, Le, Ld, tied, act='relu', eps=1e-5):
        super().__init__(); k = dict(dropout=0.0, activation=act, batch_first=True, layer_norm_eps=eps)
        s.emb = nn.Embedding(V, d)
        if not tied: s.tgt_emb = nn.Embedding(V, d); s.out = nn.Linear(d, V)
        s.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(d, H, ff, **k), Le, enable_nested_tensor=False)
        s.decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(d, H, ff, **k), Ld)
        pe = torch.zeros(64, d, dtype=torch.float64); pos = torch.arange(64.0, dtype=torch.float64)[:, None]
        div = torch.exp(torch.arange(0, d, 2, dtype=torch.float64) * (-math.log(10000.0) / d)); pe[:, 0::2] = (pos * div).sin(); pe[:, 1::2] = (pos * div).cos()[:, :d // 2]
        s.pe, s.d, s.tied = pe, d, tied
    def forward(s, src, src_mask, trg_in, trg_mask):
        e = s.encoder(s.emb(src) * math.sqrt(s.d) + s.pe[:src.shape[1]], src_key_padding_mask=src_mask == 0); n = trg_in.shape[1]
        t = (s.emb if s.tied else s.tgt_emb)(trg_in) * math.sqrt(s.d) + s.pe[:n]
        h = s.decoder(t, e, tgt_mask=torch.triu(torch.ones(n, n, dtype=torch.bool), 1), tgt_key_padding_mask=trg_mask == 0, memory_key_padding_mask=src_mask == 0)
        return h @ s.emb.weight.t() if s.tied else s.out(h)


def vanilla(name, V=41, d=24, H=4, ff=40, Le=2, Ld=2, tied=True, smooth=0.1, src=(9, 5, 7), trg=(8, 8, 3), act='relu', eps=1e-5):
    if PART not in name: return
    torch.manual_seed(1); m = Vanilla(V, d, H, ff, Le, Ld, tied, act, eps).double().train()
    sm, tm = lengths_mask(src, max(src)), lengths_mask(trg, max(trg)); x = ids(len(src), max(src), low=3, high=V) * sm
    y = ids(len(trg), max(trg), low=3, high=V, seed=5).masked_fill(tm == 0, -100)
    for r, n in enumerate(trg): y[r, n - 1] = 2
    ti = torch.cat([torch.full((len(trg), 1), 1), torch.where(y[:, :-1] >= 0, y[:, :-1], 0)], 1)
    def forward(src, src_mask, trg_in, trg_mask, labels):
        lg = m(src, src_mask, trg_in, trg_mask)
        return dict(loss=F.cross_entropy(lg.reshape(-1, V), labels.reshape(-1), ignore_index=-100, label_smoothing=smooth), logits_valid=lg * trg_mask[..., None])
    opts = dict(family='transformer', vocab_size=V, d_model=d, ff=ff, encoder_layers=Le, decoder_layers=Ld, layer_norm_eps=eps, pad=0, start=1, eos=2, heads=H, tied=tied, label_smoothing=smooth)
    if act != 'relu': opts['activation'] = act
    record(name, m, dict(src=x, src_mask=sm, trg_in=ti, trg_mask=tm, labels=y), forward, opts)
    with torch.no_grad(): g = greedy_of(lambda d_: m(x, sm, d_, torch.ones_like(d_))[:, -1], len(src), 1, 2, 14)
    add_greedy(name, g)


vanilla('vanilla_untied', V=70, d=30, H=5, ff=70, Le=1, Ld=2, tied=False, smooth=0.0)
vanilla('vanilla_smooth', smooth=0.3, Le=3, Ld=1, H=2)
vanilla('vanilla_gelu', act='gelu', eps=1e-3, src=(4, 4), trg=(6, 2))
vanilla('vanilla_short', src=(1,), trg=(1,), Le=1, Ld=1, H=1)
vanilla('vanilla_deep', V=203, d=40, H=8, ff=33, Le=5, Ld=4, smooth=0.9, src=(21, 1), trg=(2, 17))
vanilla('vanilla_odd', V=33, d=22, H=11, ff=5, Le=1, Ld=3, tied=False, smooth=0.2, eps=1e-12)

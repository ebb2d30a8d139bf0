/**
 * GPT (Radford et al. 2018) in the form of GPT-2: token ids go in, next-token logits, or one class a row, come out.
 * Pre-norm blocks, learnt positions, a head tied to the embeddings; parameters under the names of GPT2LMHeadModel and
 * GPT2ForSequenceClassification.
 */
import { MillraceError } from '../errors.ts';
import { add, cast, equal, max, mul, not, type Shape, split, type Value } from '../graph/index.ts';
import { attend } from './attention.ts';
import type { ProgramBuilder } from './builder.ts';
import { causalRecipe, languageModelLoss } from './causal.ts';
import { normal } from './init.ts';
import { causalMasks, pick } from './inputs.ts';
import { activation, embedding, layerNormLayer, linear, positionTable } from './layers.ts';
import type { LoraConfig } from './lora.ts';
import { type Model, makeModel, type ProgramOptions, type Recipe } from './model.ts';

/** Keys as in config.json of GPT-2; `head` and `bias` are ours. */
export interface GptConfig {
  family: 'gpt';
  vocab_size: number;
  n_positions: number;
  n_embd: number;
  n_layer: number;
  n_head: number;
  /** 4 * n_embd by default. */
  n_inner?: number | null;
  activation_function?: string;
  layer_norm_epsilon?: number;
  initializer_range?: number;
  tie_word_embeddings?: boolean;
  embd_pdrop?: number;
  attn_pdrop?: number;
  resid_pdrop?: number;
  scale_attn_weights?: boolean;
  scale_attn_by_inverse_layer_idx?: boolean;
  /** `lm` (default) predicts the next token; `classify` one of `num_labels` for the row. */
  head?: 'lm' | 'classify';
  num_labels?: number;
  /** Biases in linear layers and norms; true by default, as GPT-2 has them. */
  bias?: boolean;
  /** Frozen weights with thin trained matrices beside them; ours. */
  lora?: LoraConfig;
}

export function gpt(config: GptConfig): Model<GptConfig> {
  const { n_embd: width, n_head: heads, bias = true } = config;
  if (width % heads !== 0) throw new MillraceError('config', `n_embd ${width} is no multiple of n_head ${heads}`);
  const std = config.initializer_range ?? 0.02;
  const init = normal(std);
  // Weights that write into the residual stream start smaller, by the number of such writes (GPT-2 paper, section 2.3).
  const residual = normal(std / Math.sqrt(2 * config.n_layer));
  const act = activation(config.activation_function ?? 'gelu_new');
  const norm = (b: ProgramBuilder, name: string, x: Value) =>
    layerNormLayer(b, name, x, config.layer_norm_epsilon ?? 1e-5, bias);

  function trunk(b: ProgramBuilder, options: ProgramOptions): Value {
    const { batchSize, seqLen, positionIds } = options;
    const ids = b.input('input_ids', 'int32', [batchSize, seqLen]);
    const places = { count: config.n_positions, width, init };
    const position = positionIds
      ? embedding(b, 'transformer.wpe', b.input('position_ids', 'int32', [batchSize, seqLen]), places)
      : positionTable(b, 'transformer.wpe', seqLen, places);
    const token = embedding(b, 'transformer.wte', ids, { count: config.vocab_size, width, init });
    let x = b.dropout(add(token, position), config.embd_pdrop ?? 0);
    const mask = causalMasks(b, options);
    for (let i = 0; i < config.n_layer; i++) x = block(b, i, x, mask, options);
    return norm(b, 'transformer.ln_f', x);
  }

  function block(b: ProgramBuilder, layer: number, x: Value, mask: Value | undefined, options: ProgramOptions): Value {
    const name = `transformer.h.${layer}`;
    const drop = (value: Value) => b.dropout(value, config.resid_pdrop ?? 0);
    const conv = (part: string, input: Value, out: number, start = init) =>
      linear(b, `${name}.${part}`, input, { out, init: start, bias, layout: 'in-out' });
    return b.graph.segment(name, () => {
      const [q, k, v] = split(conv('attn.c_attn', norm(b, `${name}.ln_1`, x), 3 * width), -1, [width, width, width]);
      const scale =
        (config.scale_attn_weights === false ? 1 : 1 / Math.sqrt(width / heads)) /
        (config.scale_attn_by_inverse_layer_idx ? layer + 1 : 1);
      const dropout = (shape: Shape) => b.dropoutMask(shape, config.attn_pdrop ?? 0);
      const { out, weights } = attend(q!, k!, v!, { heads, mask, scale, dropout, through: options.cache?.own });
      if (options.attentions) b.attention(`attention.${layer}`, weights, heads);
      const mixed = add(x, drop(conv('attn.c_proj', out, width, residual)));
      const inner = act(conv('mlp.c_fc', norm(b, `${name}.ln_2`, mixed), config.n_inner ?? 4 * width));
      return add(mixed, drop(conv('mlp.c_proj', inner, width, residual)));
    });
  }

  const head = (b: ProgramBuilder, hidden: Value) =>
    linear(b, config.tie_word_embeddings === false ? 'lm_head' : 'transformer.wte', hidden, {
      out: config.vocab_size,
      init,
    });

  /** The class head: bias-free, on the last token of each row (GPT paper, section 3.2). */
  function classify(b: ProgramBuilder, options: ProgramOptions) {
    const { attentionMask = true } = options;
    const hidden = trunk(b, { ...options, attentionMask });
    const last = attentionMask
      ? lastToken(b, options)
      : b.graph.constant(Array(options.batchSize).fill(options.seqLen - 1), 'int32');
    return { hidden, logits: linear(b, 'score', pick(hidden, last), { out: config.num_labels ?? 2, init }) };
  }

  const classifier: Recipe = {
    loss(b, options) {
      const { hidden, logits } = classify(b, options);
      b.loss('class', { logits, labels: b.input('labels', 'int32', [options.batchSize]) });
      if (options.logits) b.output('class_logits', logits);
      // L = L_FT + lambda L_PT (GPT paper, eq. 5).
      if (options.lambda) languageModelLoss(b, head(b, hidden), 'lm_labels', { ...options, weight: options.lambda });
    },
    logits: (b, options) => b.output('logits', classify(b, options).logits),
  };
  return makeModel(
    config,
    config.head === 'classify' ? classifier : causalRecipe({ vocabulary: config.vocab_size, trunk, head }),
  );
}

/** The index int32 [batch] of the last token that `attention_mask` shows. */
function lastToken(b: ProgramBuilder, { batchSize, seqLen }: ProgramOptions): Value {
  const places = b.graph.constant(
    Array.from({ length: seqLen }, (_, i) => i),
    'int32',
  );
  const seen = cast(not(equal(b.input('attention_mask', 'int32', [batchSize, seqLen]), 0)), 'int32');
  return max(mul(seen, places), { axes: [1] });
}

/**
 * LLaMA (Touvron et al. 2023): token ids go in, next-token logits and their loss come out. Pre-norm blocks of RMSNorm,
 * rotary attention with shared key/value heads, and SwiGLU; parameters under the names of LlamaForCausalLM.
 */
import { MillraceError } from '../errors.ts';
import { add, mul, rotary, type Shape, silu, swiglu, type Value } from '../graph/index.ts';
import { type Attend, attend } from './attention.ts';
import type { ProgramBuilder } from './builder.ts';
import { causalLanguageModel } from './causal.ts';
import { normal } from './init.ts';
import { causalMasks, positions } from './inputs.ts';
import { activation, embedding, linear, rmsNormLayer } from './layers.ts';
import type { LoraConfig } from './lora.ts';
import type { Model, ProgramOptions } from './model.ts';
import { type RopeParameters, ropeTables } from './rope.ts';

/** Keys as in config.json of LlamaForCausalLM; `rms_norm_bias` is ours. */
export interface LlamaConfig {
  family: 'llama';
  vocab_size: number;
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  num_key_value_heads?: number | null;
  head_dim?: number | null;
  max_position_embeddings: number;
  hidden_act?: string;
  rms_norm_eps?: number;
  rms_norm_bias?: boolean;
  rope_theta?: number;
  rope_parameters?: RopeParameters | null;
  rope_scaling?: RopeParameters | null;
  tie_word_embeddings?: boolean;
  attention_bias?: boolean;
  mlp_bias?: boolean;
  attention_dropout?: number;
  initializer_range?: number;
  pad_token_id?: number | null;
  /** Frozen weights with thin trained matrices beside them; ours. */
  lora?: LoraConfig;
}

export function llama(config: LlamaConfig): Model<LlamaConfig> {
  const sizes = headSizes(config);
  const { hidden_size: width, rms_norm_eps: eps = 1e-6, rms_norm_bias: normBias = false } = config;
  const init = normal(config.initializer_range ?? 0.02);
  const act = activation(config.hidden_act ?? 'silu');

  function trunk(b: ProgramBuilder, options: ProgramOptions): Value {
    const ids = b.input('input_ids', 'int32', [options.batchSize, options.seqLen]);
    const turn = rotation(b, config, sizes.size, options);
    const mask = causalMasks(b, options);
    const table = { count: config.vocab_size, width, init, padding: config.pad_token_id };
    let x = embedding(b, 'model.embed_tokens', ids, table);
    for (let i = 0; i < config.num_hidden_layers; i++) x = block(b, i, x, turn, mask, options);
    return rmsNormLayer(b, 'model.norm', x, eps, normBias);
  }

  function block(b: ProgramBuilder, layer: number, x: Value, turn: Turn, mask: Mask, options: ProgramOptions): Value {
    const name = `model.layers.${layer}`;
    return b.graph.segment(name, () => {
      const attention = { turn, mask, through: options.cache?.own };
      const normed = norm(b, `${name}.input_layernorm`, x);
      const { out, weights } = selfAttention(b, `${name}.self_attn`, normed, attention);
      if (options.attentions) b.attention(`attention.${layer}`, weights, sizes.heads);
      const mixed = add(x, out);
      return add(mixed, feedForward(b, `${name}.mlp`, norm(b, `${name}.post_attention_layernorm`, mixed)));
    });
  }

  const norm = (b: ProgramBuilder, name: string, x: Value) => rmsNormLayer(b, name, x, eps, normBias);

  interface SelfAttention {
    turn: Turn;
    mask: Mask;
    through: Attend | undefined;
  }
  function selfAttention(b: ProgramBuilder, name: string, x: Value, { turn, mask, through }: SelfAttention) {
    const { heads, kvHeads, size } = sizes;
    const project = (part: string, input: Value, out: number) =>
      linear(b, `${name}.${part}_proj`, input, { out, init, bias: config.attention_bias ?? false });
    const q = turn(project('q', x, heads * size), heads);
    const k = turn(project('k', x, kvHeads * size), kvHeads);
    const v = project('v', x, kvHeads * size);
    const dropout = (shape: Shape) => b.dropoutMask(shape, config.attention_dropout ?? 0);
    const { out, weights } = attend(q, k, v, { heads, kvHeads, mask, dropout, through });
    return { out: project('o', out, width), weights };
  }

  /** down(silu(gate(x)) * up(x)) (Shazeer 2020, eq. 6). */
  function feedForward(b: ProgramBuilder, name: string, x: Value): Value {
    const project = (part: string, input: Value, out: number) =>
      linear(b, `${name}.${part}_proj`, input, { out, init, bias: config.mlp_bias ?? false });
    const inner = config.intermediate_size;
    const [gate, up] = [project('gate', x, inner), project('up', x, inner)];
    const gated = act === silu ? swiglu(gate, up) : mul(act(gate), up);
    return project('down', gated, width);
  }

  const head = (b: ProgramBuilder, hidden: Value) =>
    linear(b, config.tie_word_embeddings ? 'model.embed_tokens' : 'lm_head', hidden, { out: config.vocab_size, init });

  return causalLanguageModel(config, { vocabulary: config.vocab_size, trunk, head });
}

/** Turns queries or keys [batch, time, heads * size] by their positions. */
type Turn = (x: Value, heads: number) => Value;
type Mask = Value | undefined;

function rotation(b: ProgramBuilder, config: LlamaConfig, headSize: number, options: ProgramOptions): Turn {
  const parameters = config.rope_parameters ?? config.rope_scaling;
  const theta = parameters?.rope_theta ?? config.rope_theta ?? 10000;
  const named = options.places ?? Math.max(config.max_position_embeddings, options.seqLen);
  const count = options.positionIds ? named : options.seqLen;
  const [cosine, sine] = ropeTables(b.graph, count, { headSize, theta, parameters });
  const at = positions(b, options);
  return (x, heads) => rotary(x, cosine, sine, at, heads);
}

function headSizes({ hidden_size, num_attention_heads: heads, num_key_value_heads, head_dim }: LlamaConfig) {
  const kvHeads = num_key_value_heads ?? heads;
  if (heads % kvHeads !== 0)
    throw new MillraceError('config', `num_attention_heads ${heads} is no multiple of num_key_value_heads ${kvHeads}`);
  const size = head_dim ?? hidden_size / heads;
  if (!Number.isInteger(size))
    throw new MillraceError('config', `hidden_size ${hidden_size} is no multiple of num_attention_heads ${heads}`, {
      hint: 'change one of them, or give head_dim',
    });
  return { heads, kvHeads, size };
}

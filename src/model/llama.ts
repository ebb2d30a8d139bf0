/**
 * LLaMA (Touvron et al. 2023): token ids go in, next-token logits and their loss come out. Pre-norm blocks of RMSNorm,
 * rotary attention with shared key/value heads, and SwiGLU; parameters under the names of LlamaForCausalLM.
 */
import { MillraceError } from '../errors.ts';
import { add, mul, reshape, rotary, rows, type Value } from '../graph/index.ts';
import { attend } from './attention.ts';
import { ProgramBuilder } from './builder.ts';
import { type Init, normal } from './init.ts';
import { causalMasks, pick, positions } from './inputs.ts';
import { activation, embedding, linear, rmsNormLayer } from './layers.ts';
import type { LogitsOptions, Model, ProgramOptions, TrainingOptions } from './model.ts';
import type { Program } from './program.ts';
import { type RopeParameters, ropeTables } from './rope.ts';

/** Keys as in config.json of LlamaForCausalLM; `rms_norm_bias` is ours. */
export interface LlamaConfig {
  family: 'llama';
  vocab_size: number;
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  num_key_value_heads?: number;
  head_dim?: number;
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
}

export function llama(config: LlamaConfig): Model<LlamaConfig> {
  const heads = config.num_attention_heads;
  const kvHeads = config.num_key_value_heads ?? heads;
  if (heads % kvHeads !== 0)
    throw new MillraceError(
      'config',
      `num_attention_heads ${heads} is not a multiple of num_key_value_heads ${kvHeads}`,
    );
  if (config.head_dim === undefined && config.hidden_size % heads !== 0)
    throw new MillraceError(
      'config',
      `hidden_size ${config.hidden_size} is not a multiple of num_attention_heads ${heads}`,
    );

  function training(options: TrainingOptions, b: ProgramBuilder): Program {
    const hidden = trunk(b, config, options);
    const logits = rows(head(b, config, hidden));
    const labels = b.input('labels', 'int32', [options.batchSize, options.seqLen]);
    b.loss('lm', { logits, labels, smoothing: options.labelSmoothing ?? 0, accuracy: !b.training });
    if (options.logits) b.output('logits', reshape(logits, [options.batchSize, options.seqLen, config.vocab_size]));
    return b.program();
  }
  function parameters() {
    const b = new ProgramBuilder();
    head(b, config, trunk(b, config, { batchSize: 1, seqLen: 1 }));
    return b.parameters;
  }
  return {
    family: 'llama',
    config,
    parameters: parameters(),
    trainingProgram: (options) =>
      training(options, new ProgramBuilder({ training: true, trainable: options.trainable })),
    evaluationProgram: (options) => training(options, new ProgramBuilder()),
    logitsProgram(options: LogitsOptions) {
      const b = new ProgramBuilder();
      let hidden = trunk(b, config, options);
      if (options.at === 'last') hidden = pick(hidden, b.input('last_index', 'int32', [options.batchSize]));
      b.output('logits', head(b, config, hidden));
      return b.program();
    },
  };
}

/** Everything below the head: ids [batch, time] -> [batch, time, hidden]. */
function trunk(b: ProgramBuilder, config: LlamaConfig, options: ProgramOptions): Value {
  const { hidden_size: width, rms_norm_eps: eps = 1e-6, rms_norm_bias: normBias = false } = config;
  const [batch, time] = [options.batchSize, options.seqLen];
  const init = normal(config.initializer_range ?? 0.02);
  const ids = b.input('input_ids', 'int32', [batch, time]);
  const rope = rotation(b, config, options);
  const mask = causalMasks(b, options);
  let x = embedding(b, 'model.embed_tokens', ids, config.vocab_size, width, init);
  for (let i = 0; i < config.num_hidden_layers; i++) {
    const name = `model.layers.${i}`;
    x = b.graph.segment(name, () => {
      const normed = rmsNormLayer(b, `${name}.input_layernorm`, x, eps, normBias);
      const mixed = add(
        x,
        selfAttention(b, `${name}.self_attn`, normed, config, rope, mask, init, (weights) => {
          if (options.attentions) b.output(`attention.${i}`, weights);
        }),
      );
      return add(
        mixed,
        swiglu(
          b,
          `${name}.mlp`,
          rmsNormLayer(b, `${name}.post_attention_layernorm`, mixed, eps, normBias),
          config,
          init,
        ),
      );
    });
  }
  return rmsNormLayer(b, 'model.norm', x, eps, normBias);
}

function selfAttention(
  b: ProgramBuilder,
  name: string,
  x: Value,
  config: LlamaConfig,
  rope: (x: Value, heads: number) => Value,
  mask: Value,
  init: Init,
  onWeights: (weights: Value) => void,
): Value {
  const heads = config.num_attention_heads;
  const kvHeads = config.num_key_value_heads ?? heads;
  const size = config.head_dim ?? config.hidden_size / heads;
  const bias = config.attention_bias ?? false;
  const q = linear(b, `${name}.q_proj`, x, { out: heads * size, init, bias });
  const k = linear(b, `${name}.k_proj`, x, { out: kvHeads * size, init, bias });
  const v = linear(b, `${name}.v_proj`, x, { out: kvHeads * size, init, bias });
  const dropout = (weights: Value) => b.dropout(weights, config.attention_dropout ?? 0);
  const { out, weights } = attend(rope(q, heads), rope(k, kvHeads), v, { heads, kvHeads, mask, dropout });
  onWeights(reshape(weights, [x.shape[0]!, heads, x.shape[1]!, x.shape[1]!]));
  return linear(b, `${name}.o_proj`, out, { out: config.hidden_size, init, bias });
}

/** A function that turns queries or keys [batch, time, heads * size] by their positions. */
function rotation(b: ProgramBuilder, config: LlamaConfig, options: ProgramOptions) {
  const headSize = config.head_dim ?? config.hidden_size / config.num_attention_heads;
  const parameters = config.rope_parameters ?? config.rope_scaling;
  const theta = parameters?.rope_theta ?? config.rope_theta ?? 10000;
  const count = options.positionIds ? Math.max(config.max_position_embeddings, options.seqLen) : options.seqLen;
  const [cosine, sine] = ropeTables(b.graph, count, { headSize, theta, parameters });
  const at = positions(b, options);
  return (x: Value, heads: number) => rotary(x, cosine, sine, at, heads);
}

/** down(silu(gate(x)) * up(x)) (Shazeer 2020, eq. 6). */
function swiglu(b: ProgramBuilder, name: string, x: Value, config: LlamaConfig, init: Init): Value {
  const bias = config.mlp_bias ?? false;
  const act = activation(config.hidden_act ?? 'silu');
  const gate = linear(b, `${name}.gate_proj`, x, { out: config.intermediate_size, init, bias });
  const up = linear(b, `${name}.up_proj`, x, { out: config.intermediate_size, init, bias });
  return linear(b, `${name}.down_proj`, mul(act(gate), up), { out: config.hidden_size, init, bias });
}

function head(b: ProgramBuilder, config: LlamaConfig, hidden: Value): Value {
  const init = normal(config.initializer_range ?? 0.02);
  const name = config.tie_word_embeddings ? 'model.embed_tokens' : 'lm_head';
  return linear(b, name, hidden, { out: config.vocab_size, init });
}

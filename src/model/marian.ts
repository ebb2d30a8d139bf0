/**
 * Marian's encoder-decoder (Junczys-Dowmunt et al. 2018): source and target ids go in, target logits come out.
 * The 2017 Transformer with sine and cosine positions in halves and one shared embedding; parameters under the names of
 * MarianMTModel.
 */
import { MillraceError } from '../errors.ts';
import { add, mul, type Shape, type Value } from '../graph/index.ts';
import { type Attend, attend } from './attention.ts';
import type { ProgramBuilder } from './builder.ts';
import { normal, zeros } from './init.ts';
import { activation, embedding, layerNormLayer, linear } from './layers.ts';
import type { LoraConfig } from './lora.ts';
import type { Model, ProgramOptions } from './model.ts';
import { type Encoded, seq2seqModel } from './seq2seq.ts';
import { sinusoidsAt } from './sinusoid.ts';

/** Keys as in config.json of MarianMTModel. */
export interface MarianConfig {
  family: 'marian';
  vocab_size: number;
  decoder_vocab_size?: number | null;
  d_model: number;
  encoder_layers: number;
  decoder_layers: number;
  encoder_attention_heads: number;
  decoder_attention_heads: number;
  encoder_ffn_dim: number;
  decoder_ffn_dim: number;
  max_position_embeddings: number;
  activation_function?: string;
  dropout?: number;
  attention_dropout?: number;
  activation_dropout?: number;
  scale_embedding?: boolean;
  share_encoder_decoder_embeddings?: boolean;
  tie_word_embeddings?: boolean;
  init_std?: number;
  pad_token_id?: number | null;
  eos_token_id?: number;
  decoder_start_token_id?: number;
  /** Frozen weights with thin trained matrices beside them; ours. */
  lora?: LoraConfig;
}

const NORM_EPSILON = 1e-5;

export function marian(config: MarianConfig): Model<MarianConfig> {
  const { d_model: width, share_encoder_decoder_embeddings: share = true, tie_word_embeddings: tie = true } = config;
  const table = (side: 'encoder' | 'decoder') => (share && tie ? 'model.shared' : `model.${side}.embed_tokens`);
  for (const side of ['encoder', 'decoder'] as const)
    if (width % config[`${side}_attention_heads`] !== 0)
      throw new MillraceError(
        'config',
        `d_model ${width} is no multiple of ${side}_attention_heads ${config[`${side}_attention_heads`]}`,
      );
  const vocabulary = share ? config.vocab_size : (config.decoder_vocab_size ?? config.vocab_size);
  const init = normal(config.init_std ?? 0.02);
  const act = activation(config.activation_function ?? 'gelu');
  const drop = (b: ProgramBuilder, x: Value) => b.dropout(x, config.dropout ?? 0.1);
  const norm = (b: ProgramBuilder, name: string, x: Value) => layerNormLayer(b, name, x, NORM_EPSILON);
  const dense = (b: ProgramBuilder, name: string, x: Value, out = width) =>
    linear(b, name, x, { out, init, bias: true });

  function embed(b: ProgramBuilder, side: 'encoder' | 'decoder', ids: Value, options: ProgramOptions): Value {
    const limit = config.max_position_embeddings;
    if (!options.positionIds && ids.size(1) > limit)
      throw new MillraceError('config', `rows of ${ids.size(1)} tokens exceed max_position_embeddings ${limit}`);
    const count = side === 'encoder' ? config.vocab_size : vocabulary;
    const x = embedding(b, table(side), ids, { count, width, init, padding: config.pad_token_id });
    const scaled = config.scale_embedding ? mul(x, Math.sqrt(width)) : x;
    return drop(b, add(scaled, sinusoidsAt(b, ids, options, { limit, width, layout: 'halves' })));
  }

  interface AttentionOptions {
    heads: number;
    mask: Value | undefined;
    /** Name of the weights as an output, when they are wanted. */
    show: string | undefined;
    through?: Attend | undefined;
  }
  function attention(b: ProgramBuilder, name: string, x: Value, memory: Value, options: AttentionOptions): Value {
    const { heads, mask, show, through } = options;
    const [q, k, v] = [
      dense(b, `${name}.q_proj`, x),
      dense(b, `${name}.k_proj`, memory),
      dense(b, `${name}.v_proj`, memory),
    ];
    const dropout = (shape: Shape) => b.dropoutMask(shape, config.attention_dropout ?? 0);
    const { out, weights } = attend(q, k, v, { heads, mask, dropout, through });
    if (show) b.attention(show, weights, heads);
    return norm(b, `${name}_layer_norm`, add(x, drop(b, dense(b, `${name}.out_proj`, out))));
  }

  function feedForward(b: ProgramBuilder, name: string, x: Value, inner: number): Value {
    const middle = b.dropout(act(dense(b, `${name}.fc1`, x, inner)), config.activation_dropout ?? 0);
    return norm(b, `${name}.final_layer_norm`, add(x, drop(b, dense(b, `${name}.fc2`, middle))));
  }

  return seq2seqModel(config, {
    vocabulary,
    encoder(b, ids, mask, options) {
      const { attentions } = options;
      const heads = config.encoder_attention_heads;
      let x = embed(b, 'encoder', ids, options);
      for (let i = 0; i < config.encoder_layers; i++) {
        const name = `model.encoder.layers.${i}`;
        const show = attentions ? `encoder_attention.${i}` : undefined;
        x = b.graph.segment(name, () =>
          feedForward(b, name, attention(b, `${name}.self_attn`, x, x, { heads, mask, show }), config.encoder_ffn_dim),
        );
      }
      return x;
    },
    decoder(b, ids, source: Encoded, mask, options) {
      const { attentions, cache } = options;
      const heads = config.decoder_attention_heads;
      let x = embed(b, 'decoder', ids, options);
      for (let i = 0; i < config.decoder_layers; i++) {
        const name = `model.decoder.layers.${i}`;
        const show = (kind: string) => (attentions ? `${kind}.${i}` : undefined);
        x = b.graph.segment(name, () => {
          const self = { heads, mask, show: show('attention'), through: cache?.own };
          const own = attention(b, `${name}.self_attn`, x, x, self);
          const cross = { heads, mask: source.mask, show: show('cross_attention'), through: cache?.cross };
          const crossed = attention(b, `${name}.encoder_attn`, own, source.memory, cross);
          return feedForward(b, name, crossed, config.decoder_ffn_dim);
        });
      }
      return x;
    },
    head(b, hidden) {
      const logits = linear(b, tie ? table('decoder') : 'lm_head', hidden, { out: vocabulary, init });
      return add(logits, b.parameter('final_logits_bias', [1, vocabulary], zeros, { buffer: true }));
    },
  });
}

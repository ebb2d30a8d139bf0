/**
 * The Transformer as its paper has it (Vaswani et al. 2017): source and target ids go in, target logits come out.
 * Post-norm, ReLU, interleaved sinusoidal positions, embeddings times sqrt(d_model), no norm after the last block.
 * Parameters under the names that torch.nn.TransformerEncoder and Decoder layers give them.
 */
import { MillraceError } from '../errors.ts';
import { add, mul, type Shape, type Value } from '../graph/index.ts';
import type { Attend } from './attention.ts';
import { multiHeadAttention } from './attention_forms.ts';
import type { ProgramBuilder } from './builder.ts';
import { normal, xavierUniform } from './init.ts';
import { activation, embedding, layerNormLayer, linear } from './layers.ts';
import type { LoraConfig } from './lora.ts';
import type { Model, ProgramOptions } from './model.ts';
import { seq2seqModel } from './seq2seq.ts';
import { sinusoidsAt } from './sinusoid.ts';

export interface TransformerConfig {
  family: 'transformer';
  /** Size of the shared vocabulary, or of the source's where `trg_vocab_size` is given. */
  vocab_size: number;
  trg_vocab_size?: number;
  d_model: number;
  /** Blocks of each side. */
  encoder_layers: number;
  decoder_layers: number;
  heads: number;
  /** Width of the feed-forward layer; 4 * d_model by default. */
  ff?: number;
  activation?: string;
  layer_norm_eps?: number;
  /** Source, target and output embeddings are one (section 3.4); true by default. Else the output layer has a bias. */
  tied?: boolean;
  /** After each sublayer and on the embeddings (section 5.4). */
  dropout?: number;
  attention_dropout?: number;
  activation_dropout?: number;
  pad?: number;
  start?: number;
  eos?: number;
  /** Frozen weights with thin trained matrices beside them; ours. */
  lora?: LoraConfig;
}

/** Positions of a decoding graph that is not told how many it needs. */
const PLACES = 512;

export function transformer(config: TransformerConfig): Model<TransformerConfig> {
  const { d_model: width, heads, ff = 4 * width, tied = true, layer_norm_eps: eps = 1e-5 } = config;
  if (width % heads !== 0) throw new MillraceError('config', `d_model ${width} is no multiple of heads ${heads}`);
  const targets = config.trg_vocab_size ?? config.vocab_size;
  if (tied && targets !== config.vocab_size)
    throw new MillraceError('config', `tied embeddings need one vocabulary, not ${config.vocab_size} and ${targets}`, {
      hint: 'set tied: false, or train one vocabulary on both sides',
    });
  const act = activation(config.activation ?? 'relu');
  const embeddingInit = normal(width ** -0.5);
  const drop = (b: ProgramBuilder, x: Value) => b.dropout(x, config.dropout ?? 0.1);
  const norm = (b: ProgramBuilder, name: string, x: Value) => layerNormLayer(b, name, x, eps);

  function embed(b: ProgramBuilder, name: string, ids: Value, count: number, options: ProgramOptions): Value {
    const x = mul(embedding(b, name, ids, { count, width, init: embeddingInit }), Math.sqrt(width));
    return drop(b, add(x, sinusoidsAt(b, ids, options, { limit: PLACES, width, layout: 'interleaved' })));
  }

  interface AttentionOptions {
    mask: Value | undefined;
    /** Name of the weights as an output, when they are wanted. */
    show: string | undefined;
    through?: Attend | undefined;
  }
  function attention(b: ProgramBuilder, name: string, x: Value, memory: Value, options: AttentionOptions): Value {
    const dropout = (shape: Shape) => b.dropoutMask(shape, config.attention_dropout ?? 0);
    const settings = { heads, mask: options.mask, dropout, through: options.through };
    const { out, weights } = multiHeadAttention(b, `${name}.`, [x, memory, memory], settings);
    if (options.show) b.attention(options.show, weights, heads);
    return out;
  }

  function feedForward(b: ProgramBuilder, name: string, x: Value): Value {
    const init = xavierUniform(width, ff);
    const inner = b.dropout(
      act(linear(b, `${name}.linear1`, x, { out: ff, init, bias: true })),
      config.activation_dropout ?? 0,
    );
    return linear(b, `${name}.linear2`, inner, { out: width, init, bias: true });
  }

  /** Residual connection, then normalisation (section 3.1). */
  const residual = (b: ProgramBuilder, name: string, x: Value, sublayer: Value) =>
    norm(b, name, add(x, drop(b, sublayer)));

  return seq2seqModel(config, {
    vocabulary: targets,
    encoder(b, ids, mask, options) {
      const { attentions } = options;
      let x = embed(b, 'emb', ids, config.vocab_size, options);
      for (let i = 0; i < config.encoder_layers; i++) {
        const name = `encoder.layers.${i}`;
        const show = attentions ? `encoder_attention.${i}` : undefined;
        x = b.graph.segment(name, () => {
          const own = residual(b, `${name}.norm1`, x, attention(b, `${name}.self_attn`, x, x, { mask, show }));
          return residual(b, `${name}.norm2`, own, feedForward(b, name, own));
        });
      }
      return x;
    },
    decoder(b, ids, source, mask, options) {
      const { attentions, cache } = options;
      let x = embed(b, tied ? 'emb' : 'tgt_emb', ids, targets, options);
      for (let i = 0; i < config.decoder_layers; i++) {
        const name = `decoder.layers.${i}`;
        const show = (kind: string) => (attentions ? `${kind}.${i}` : undefined);
        x = b.graph.segment(name, () => {
          const seen = { mask, show: show('attention'), through: cache?.own };
          const self = attention(b, `${name}.self_attn`, x, x, seen);
          const own = residual(b, `${name}.norm1`, x, self);
          const cross = { mask: source.mask, show: show('cross_attention'), through: cache?.cross };
          const looked = attention(b, `${name}.multihead_attn`, own, source.memory, cross);
          const crossed = residual(b, `${name}.norm2`, own, looked);
          return residual(b, `${name}.norm3`, crossed, feedForward(b, name, crossed));
        });
      }
      return x;
    },
    head: (b, hidden) =>
      linear(b, tied ? 'emb' : 'out', hidden, {
        out: targets,
        init: tied ? embeddingInit : xavierUniform(width, targets),
        bias: !tied,
      }),
  });
}

/** A tiny model of each family, with dropout, and repeatable batches and weights for its programs. For tests only. */
import { buildModel, type Model, type ModelConfig, type Program, type TrainingOptions } from '../../src/model/index.ts';
import type { Feeds } from './ort.ts';

const p = 0.1;

interface Sizes {
  vocabulary: number;
  width: number;
  inner: number;
  layers: number;
  heads: number;
  batchSize: number;
  seqLen: number;
  sourceLen: number;
}

/** Rows and places of a batch do not divide what a vector register holds, heads share keys, blocks differ. */
const usual: Sizes = {
  vocabulary: 40,
  width: 32,
  inner: 48,
  layers: 2,
  heads: 4,
  batchSize: 4,
  seqLen: 12,
  sourceLen: 9,
};

/** For devices where each new shape of an op costs a compilation. */
const least: Sizes = {
  vocabulary: 16,
  width: 16,
  inner: 16,
  layers: 1,
  heads: 2,
  batchSize: 2,
  seqLen: 8,
  sourceLen: 8,
};

function configs(size: Sizes): Record<string, [ModelConfig, TrainingOptions]> {
  const { vocabulary: vocab_size, width, inner, layers, heads, sourceLen, ...shape } = size;
  return {
    llama: [
      {
        family: 'llama',
        vocab_size,
        hidden_size: width,
        intermediate_size: inner,
        num_hidden_layers: layers,
        num_attention_heads: heads,
        num_key_value_heads: heads / 2,
        max_position_embeddings: 16,
        rms_norm_bias: true,
        attention_dropout: p,
      },
      { ...shape, segmentIds: true, positionIds: true },
    ],
    gpt: [
      {
        family: 'gpt',
        vocab_size,
        n_positions: 16,
        n_embd: width,
        n_layer: layers,
        n_head: heads,
        embd_pdrop: p,
        attn_pdrop: p,
        resid_pdrop: p,
      },
      shape,
    ],
    'gpt classifier': [
      {
        family: 'gpt',
        head: 'classify',
        num_labels: 3,
        vocab_size,
        n_positions: shape.seqLen,
        n_embd: width,
        n_layer: layers,
        n_head: heads,
      },
      { ...shape, lambda: 0.5 },
    ],
    bert: [
      {
        family: 'bert',
        vocab_size,
        hidden_size: width,
        num_hidden_layers: layers,
        num_attention_heads: heads,
        intermediate_size: inner,
        max_position_embeddings: 16,
      },
      { ...shape, maxPredictions: 3 },
    ],
    marian: [
      {
        family: 'marian',
        vocab_size,
        d_model: width,
        encoder_layers: layers,
        decoder_layers: layers,
        encoder_attention_heads: heads,
        decoder_attention_heads: 2,
        encoder_ffn_dim: inner,
        decoder_ffn_dim: inner,
        max_position_embeddings: 16,
        activation_function: 'swish',
        scale_embedding: true,
        pad_token_id: 0,
      },
      { ...shape, sourceLen },
    ],
    transformer: [
      {
        family: 'transformer',
        vocab_size,
        d_model: width,
        encoder_layers: layers,
        decoder_layers: layers,
        heads,
        ff: inner,
      },
      { ...shape, sourceLen, labelSmoothing: 0.1 },
    ],
  };
}

export interface Family {
  name: string;
  model: Model;
  options: TrainingOptions;
}

const build = (size: Sizes): Family[] =>
  Object.entries(configs(size)).map(([name, [config, options]]) => ({ name, model: buildModel(config), options }));

export const families = build(usual);
export const leastFamilies = build(least);

/** A generator of repeatable numbers in 0 .. 1 (Lehmer's). */
export function random(seed: number): () => number {
  let state = seed * 16807 + 1;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}

/** A batch with repeated ids, padding, several documents a row, and dropout masks. */
export function batch(program: Program, seed: number): Feeds {
  const next = random(seed);
  const feeds: Record<string, number[] | Float32Array> = {};
  for (const { name, shape } of program.inputs) {
    const [rows = 1, time = 1] = shape;
    const value = (column: number): number => {
      if (name.endsWith('attention_mask')) return column < time - 2 ? 1 : 0;
      if (name === 'segment_ids') return column < 5 ? 0 : 1;
      if (name === 'position_ids') return column < 5 ? column : column - 5;
      if (name === 'token_type_ids') return column < 6 ? 0 : 1;
      if (name === 'masked_positions') return 1 + 2 * column;
      if (name === 'labels' && shape.length === 1) return Math.floor(next() * 3);
      if (name === 'next_sentence_label') return Math.floor(next() * 2);
      if (name.endsWith('labels') && column === time - 1) return -100;
      // Few different ids: every embedding row is hit many times.
      return 1 + Math.floor(next() * 6);
    };
    feeds[name] = Array.from({ length: rows * time }, (_, i) => value(i % time));
  }
  for (const { labels, scale } of program.losses)
    feeds[scale] = [1 / Array.from(feeds[labels!]!).filter((label) => label >= 0).length];
  for (const { name, shape, p: rate } of program.dropout)
    feeds[name] = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () =>
      next() < rate ? 0 : 1 / (1 - rate),
    );
  return feeds;
}

/** First weights: normal-looking, norms near 1. */
export function weights(program: Program): Feeds {
  const next = random(7);
  return Object.fromEntries(
    program.parameters.map(({ name, shape, init }) => {
      const length = shape.reduce((a, b) => a * b, 1);
      return [name, Float32Array.from({ length }, () => (init.kind === 'ones' ? 1 : 0) + 0.3 * (next() + next() - 1))];
    }),
  );
}

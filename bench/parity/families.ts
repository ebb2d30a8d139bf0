/** What differs between the fixtures' families: config, program options, feeds, and what each output is called. */
import type { ModelConfig, TrainingOptions } from '../../src/model/index.ts';
import type { Feeds } from '../../src/train/session.ts';
import type { Example } from './example.ts';

export interface Setup {
  config: ModelConfig;
  options: TrainingOptions;
  feeds: Feeds;
  /** Our parameter name -> the fixture's. */
  rename: (name: string) => string;
  /** Program output -> fixture output, with the feed that shows which rows count, where the fixture zeroes the rest. */
  outputs: Record<string, { name: string; valid?: string }>;
  /** Fixture name of a single loss term, unweighted. */
  terms: Record<string, string>;
  /** Argmax decoding: the token that starts and the one that ends. */
  greedy?: { start: number; end: number };
}

export function setup(example: Example): Setup {
  const { family, head } = example.options as { family: string; head?: string };
  if (family === 'bert') return bert(example, head ?? 'pretraining');
  if (family === 'gpt2') return 'lambda' in example.options ? gptClassify(example) : causal(example, 'gpt');
  if (family === 'llama') return causal(example, 'llama');
  if (family === 'marian') return marian(example);
  if (family === 'transformer') return transformer(example);
  throw new Error(`no model family ${family}`);
}

const same = (name: string) => name;
const feed = (example: Example, name: string) => example.inputs.get(name)?.values as Int32Array;
const shapeOf = (example: Example, name: string) => example.inputs.get(name)!.shape as [number, number];
/** Config with dropout off, as the examples were made. */
const mergedConfig = (example: Example, family: string, more: object = {}) =>
  ({ ...example.config, ...NO_DROPOUT, family, ...more }) as ModelConfig;

const NO_DROPOUT = Object.fromEntries(
  [
    ...['hidden_dropout_prob', 'attention_probs_dropout_prob', 'classifier_dropout', 'dropout', 'attention_dropout'],
    ...['activation_dropout', 'embd_pdrop', 'attn_pdrop', 'resid_pdrop'],
  ].map((key) => [key, 0]),
);

/** The labels of transformers, each moved one place to the left: what follows each token. */
function shifted(labels: ArrayLike<number>, time: number): Int32Array {
  return Int32Array.from({ length: labels.length }, (_, i) => ((i + 1) % time === 0 ? -100 : labels[i + 1]!));
}

function causal(example: Example, family: 'llama' | 'gpt'): Setup {
  const [batchSize, seqLen] = shapeOf(example, 'input_ids');
  const mask = feed(example, 'attention_mask');
  const positions = feed(example, 'position_ids');
  return {
    config: mergedConfig(example, family),
    options: {
      batchSize,
      seqLen,
      attentionMask: mask !== undefined,
      positionIds: positions !== undefined,
      logits: true,
    },
    feeds: {
      input_ids: feed(example, 'input_ids'),
      labels: shifted(feed(example, 'labels') ?? feed(example, 'input_ids'), seqLen),
      ...(mask && { attention_mask: mask }),
      ...(positions && { position_ids: positions }),
    },
    rename: same,
    outputs: { logits: { name: 'logits' } },
    terms: {},
  };
}

function gptClassify(example: Example): Setup {
  const [batchSize, seqLen] = shapeOf(example, 'input_ids');
  const [num_labels] = example.weights.get('score.weight')!.shape;
  return {
    config: mergedConfig(example, 'gpt', { head: 'classify', num_labels }),
    options: { batchSize, seqLen, logits: true, lambda: example.options.lambda as number },
    feeds: {
      input_ids: feed(example, 'input_ids'),
      attention_mask: feed(example, 'attention_mask'),
      labels: feed(example, 'labels'),
      lm_labels: shifted(feed(example, 'lm_labels'), seqLen),
    },
    rename: (name) => (name === 'score.weight' ? name : `lm.${name}`),
    outputs: { class_logits: { name: 'cls_logits' }, logits: { name: 'lm_logits_valid', valid: 'attention_mask' } },
    terms: { class: 'ft_loss', lm: 'pt_loss' },
  };
}

function bert(example: Example, head: string): Setup {
  const [batchSize, seqLen] = shapeOf(example, 'input_ids');
  const trainable = example.options.trainable as string[] | undefined;
  const labels = feed(example, 'labels');
  const classify = head.startsWith('seqcls');
  const id2label = example.config.id2label as object | undefined;
  const common = {
    options: { batchSize, seqLen, logits: true, trainable: trainable && ((name: string) => trainable.includes(name)) },
    feeds: {
      input_ids: feed(example, 'input_ids'),
      token_type_ids: feed(example, 'token_type_ids') ?? new Int32Array(batchSize * seqLen),
      attention_mask: feed(example, 'attention_mask') ?? new Int32Array(batchSize * seqLen).fill(1),
    },
    rename: same,
  };
  if (classify)
    return {
      ...common,
      config: mergedConfig(example, 'bert', {
        head: 'classify',
        num_labels: id2label ? Object.keys(id2label).length : 2,
      }),
      feeds: { ...common.feeds, labels },
      outputs: { logits: { name: 'logits' } },
      terms: {},
    };
  const masked = maskedPlaces(labels, batchSize, seqLen);
  const order = feed(example, 'next_sentence_label');
  return {
    ...common,
    config: mergedConfig(example, 'bert', { head }),
    options: { ...common.options, maxPredictions: masked.maxPredictions },
    feeds: { ...common.feeds, ...masked.feeds, ...(order && { next_sentence_label: order }) },
    outputs: {
      logits: { name: head === 'pretraining' ? 'prediction_logits' : 'logits' },
      ...(head === 'pretraining' && { seq_relationship_logits: { name: 'seq_relationship_logits' } }),
    },
    terms: head === 'pretraining' ? { mlm: 'mlm_loss', nsp: 'nsp_loss' } : {},
  };
}

/** Labels with -100 for what is not asked -> positions and labels of what is, padded to the longest row. */
function maskedPlaces(labels: Int32Array, batchSize: number, seqLen: number) {
  const found = Array.from({ length: batchSize }, (_, row) =>
    Array.from({ length: seqLen }, (_, i) => i).filter((i) => labels[row * seqLen + i]! >= 0),
  );
  const maxPredictions = Math.max(...found.map(({ length }) => length));
  const masked_positions = new Int32Array(batchSize * maxPredictions);
  const masked_labels = new Int32Array(batchSize * maxPredictions).fill(-100);
  for (const [row, places] of found.entries())
    for (const [i, place] of places.entries()) {
      masked_positions[row * maxPredictions + i] = place;
      masked_labels[row * maxPredictions + i] = labels[row * seqLen + place]!;
    }
  return { maxPredictions, feeds: { masked_positions, masked_labels } };
}

function marian(example: Example): Setup {
  const { config } = example;
  const common = seq2seq(example, ['input_ids', 'attention_mask', 'decoder_input_ids', 'decoder_attention_mask']);
  return {
    ...common,
    config: mergedConfig(example, 'marian'),
    options: { ...common.options, hidden: true },
    outputs: { ...common.outputs, encoder: { name: 'encoder_valid', valid: 'attention_mask' } },
    greedy: { start: config.decoder_start_token_id as number, end: config.eos_token_id as number },
  };
}

function transformer(example: Example): Setup {
  const { pad, start, eos, label_smoothing, ...options } = example.options as Record<string, number>;
  const common = seq2seq(example, ['src', 'src_mask', 'trg_in', 'trg_mask']);
  return {
    ...common,
    config: { ...options, pad, start, eos, ...NO_DROPOUT } as unknown as ModelConfig,
    options: { ...common.options, labelSmoothing: label_smoothing ?? 0 },
    greedy: { start: start!, end: eos! },
  };
}

function seq2seq(example: Example, [source, sourceMask, target, targetMask]: string[]) {
  const [batchSize, sourceLen] = shapeOf(example, source!);
  const seqLen = shapeOf(example, target!)[1];
  const ones = (count: number) => new Int32Array(count).fill(1);
  const feeds: Feeds = {
    input_ids: feed(example, source!),
    attention_mask: feed(example, sourceMask!) ?? ones(batchSize * sourceLen),
    decoder_input_ids: feed(example, target!),
    decoder_attention_mask: feed(example, targetMask!) ?? ones(batchSize * seqLen),
    labels: feed(example, 'labels'),
  };
  return {
    options: { batchSize, seqLen, sourceLen, logits: true },
    feeds,
    rename: same,
    outputs: { logits: { name: 'logits_valid', valid: 'decoder_attention_mask' } } as Setup['outputs'],
    terms: {},
  };
}

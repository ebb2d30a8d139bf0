/** A run's events as a trainer would write them, made up by a formula, and a small vocabulary. */
import type { Event, ReportData } from '../../src/report/data.ts';

export function events({ steps = 300, seed = 1, floor = 3.4 } = {}): Event[] {
  let state = seed;
  const noise = () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647 - 0.5;
  };
  const loss = (step: number) => floor + 5 * Math.exp(-step / 60) + noise() * 0.3;
  const all: Event[] = [{ type: 'start', step: 0, steps }];
  for (let step = 1; step <= steps; step++) {
    const lr = step < 20 ? (1e-3 * step) / 20 : 5e-4 * (1 + Math.cos((Math.PI * (step - 20)) / (steps - 20)));
    all.push({
      type: 'step',
      step,
      loss: loss(step),
      lr,
      gradNorm: 0.6 + Math.exp(-step / 40) * 3 + noise() * 0.2,
      tokens: 2048 * step,
      tokensPerSecond: 9000 + noise() * 900,
      ms: 230,
      rssMb: 610 + step / 20,
    });
    if (step % 50 === 0) {
      all.push({ type: 'validation', step, loss: loss(step) + 0.1, bitsPerByte: (loss(step) + 0.1) / 2.5 });
      all.push({
        type: 'sample',
        step,
        prompt: 'Call me',
        text: ` Ishmael. It was step ${step}, and the whale <was> white.`,
      });
    }
  }
  return [...all, { type: 'end', step: steps }];
}

export const tokenizerFile = JSON.stringify({
  model: {
    type: 'BPE',
    vocab: { C: 0, a: 1, l: 2, Ġ: 3, m: 4, e: 5, al: 6, all: 7, Ġm: 8, Ġme: 9, '.': 10 },
    merges: ['a l', 'al l', 'Ġ m', 'Ġm e'],
  },
  pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, use_regex: true },
  added_tokens: [{ id: 11, content: '<|endoftext|>', special: true }],
});

const TOKENS = 'Call me Ishmael . Some years ago never mind how long'.split(' ');

/** Two layers of four heads of causal attention. */
const heads = (n: number) =>
  Array.from({ length: 8 }, (_, i) => {
    const h = i % 4;
    const rows = Array.from({ length: n }, (_, q) => {
      const row = Array.from({ length: n }, (_, k) => (k <= q ? Math.exp(-Math.abs(q - k - h) / (1 + h)) : 0));
      const sum = row.reduce((a, b) => a + b);
      return row.map((w) => w / sum);
    });
    return { layer: 1 + Math.floor(i / 4), head: 1 + h, weights: rows.flat() };
  });

export function sampleReport(): ReportData {
  return {
    title: 'quickstart',
    description: 'A small LLaMA that learns to write like Moby-Dick, on two cores.',
    runs: [
      {
        name: 'quickstart',
        events: events(),
        parameters: 1_836_288,
        evaluation: { validationLoss: 3.512, perplexity: 33.5, bitsPerByte: 1.38 },
      },
      {
        name: 'sentiment',
        events: events({ steps: 60, seed: 3, floor: 0.4 }),
        scores: {
          items: 300,
          accuracy: 0.81,
          macroF1: 0.8,
          classes: [
            { label: '0', precision: 0.8, recall: 0.82, f1: 0.81, support: 150 },
            { label: '1', precision: 0.82, recall: 0.8, f1: 0.81, support: 150 },
          ],
          confusion: [
            [123, 27],
            [30, 120],
          ],
        },
      },
    ],
    attention: [
      { title: TOKENS.join(' '), maps: [{ name: 'self-attention', queries: TOKENS, keys: TOKENS, heads: heads(11) }] },
    ],
    tokenizer: {
      figures: [
        ['kind', 'byte-level BPE'],
        ['entries', 4096],
        ['merges', 3839],
        ['bytes a token', 3.412],
        ['words in the corpus', 218012],
      ],
      lengths: [0, 256, 620, 910, 820, 610, 400, 250, 120, 60, 30, 12, 8],
      longest: [' something', ' harpooneers', ' whale-ship', ' Nevertheless', ' circumstances'],
      file: tokenizerFile,
    },
    dataset: {
      figures: [
        ['task', 'causal'],
        ['sequence length', 128],
        ['packing', 'best-fit'],
        ['padding', '0.1 %'],
      ],
      splits: [
        { name: 'train', rows: 2671, tokens: 341888, documents: 122 },
        { name: 'validation', rows: 301, tokens: 38528, documents: 13 },
      ],
      rows: ['Call me Ishmael. Some years ago—never mind how long precisely—having little or no money in my purse'],
    },
    samples: [
      { prompt: 'Call me', text: ' Ishmael, said I, and the old man turned to the sea.' },
      { prompt: 'The whale', text: ' was the great white whale of the deep, and the ship.' },
    ],
    config: {
      path: 'pipelines/quickstart.yaml',
      text: 'name: quickstart\nstages:\n  corpus: { manifest: moby-dick }\n  vocab: { kind: bpe }\n',
    },
    provenance: [
      ['millrace', '0.1.0'],
      ['node', 'v20.20.2'],
      ['dataset', 'sha256 3f5a…'],
      ['seed', '1'],
    ],
  };
}

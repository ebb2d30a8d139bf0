/**
 * Vocabulary training: `npm run bench -- vocab --corpus FILE [--kind bpe|wordpiece] [--size 32000] [--objective ...]
 * [--split gpt2] [--min-frequency N] [--threads 2] [--out DIR]`. `mergesHash` is comparable with the peers'.
 */
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Objective, trainVocab } from '../src/tokenizer/train.ts';

export async function run(args: string[]): Promise<Record<string, unknown>> {
  const { values } = parseArgs({
    args,
    options: {
      corpus: { type: 'string', multiple: true, default: [] },
      kind: { type: 'string', default: 'bpe' },
      size: { type: 'string', default: '32000' },
      objective: { type: 'string' },
      split: { type: 'string' },
      normalizer: { type: 'string' },
      'min-frequency': { type: 'string' },
      threads: { type: 'string', default: '2' },
      out: { type: 'string' },
    },
  });
  const folder = values.out ?? (await mkdtemp(join(tmpdir(), 'millrace-bench-')));
  try {
    const before = process.cpuUsage();
    const trained = await trainVocab({
      files: values.corpus,
      kind: values.kind as 'bpe',
      vocabSize: Number(values.size),
      objective: values.objective as Objective,
      split: values.split,
      normalizer: values.normalizer,
      minFrequency: values['min-frequency'] === undefined ? undefined : Number(values['min-frequency']),
      threads: Number(values.threads),
      out: folder,
    });
    const { user, system } = process.cpuUsage(before);
    const { model } = JSON.parse(await readFile(trained.path, 'utf8')) as { model: { merges?: [string, string][] } };
    const merges = model.merges?.map((pair) => `${pair.join(' ')}\n`).join('') ?? '';
    return {
      seconds: trained.seconds,
      megabytesPerSecond: trained.bytes / 1e6 / trained.seconds,
      cpuSeconds: (user + system) / 1e6,
      entries: trained.size,
      minFrequency: trained.minFrequency,
      words: trained.words,
      distinctWords: trained.distinctWords,
      threads: Number(values.threads),
      mergesHash: createHash('sha256').update(merges).digest('hex').slice(0, 16),
    };
  } finally {
    if (values.out === undefined) await rm(folder, { recursive: true, force: true });
  }
}

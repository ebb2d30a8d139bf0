/**
 * Vocabulary training: `npm run bench -- vocab --corpus FILE [--kind bpe|wordpiece] [--size 32000] [--objective ...]
 * [--split gpt2] [--special TOKEN] [--min-frequency N] [--threads 2] [--out DIR]`. `mergesHash` is that of as many merges
 * as all 256 bytes and one special token leave room for: the same for every trainer that merges the same pairs.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { TrainedVocab } from '../src/tokenizer/train.ts';

/** Runs the built package in a process of its own: what a user's process takes, without the bench's TypeScript loader. The
 *  native module is loaded before the clock starts, as the peers' are by Python's import. */
const CHILD = `
const [folder, options] = process.argv.slice(1);
const { trainVocab } = await import(folder + '/tokenizer/train.js');
(await import(folder + '/native.js')).native();
const before = process.cpuUsage();
const trained = await trainVocab(JSON.parse(options));
const { user, system } = process.cpuUsage(before);
console.log(JSON.stringify({ ...trained, cpuSeconds: (user + system) / 1e6, maxRss: process.resourceUsage().maxRSS }));
`;

function inChild(options: object): TrainedVocab & { cpuSeconds: number; maxRss: number } {
  const folder = fileURLToPath(new URL('../dist', import.meta.url));
  if (!existsSync(folder)) throw new Error('dist is missing: npm run build');
  const argv = ['--input-type=module', '-e', CHILD, folder, JSON.stringify(options)];
  const { status, stdout } = spawnSync(process.execPath, argv, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`training ended with exit code ${status}`);
  return JSON.parse(stdout);
}

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
      special: { type: 'string' },
      out: { type: 'string' },
    },
  });
  const folder = values.out ?? (await mkdtemp(join(tmpdir(), 'millrace-bench-')));
  try {
    const trained = inChild({
      files: values.corpus,
      kind: values.kind,
      vocabSize: Number(values.size),
      objective: values.objective,
      split: values.split,
      normalizer: values.normalizer,
      specialTokens: values.special === undefined ? undefined : [values.special],
      minFrequency: values['min-frequency'] === undefined ? undefined : Number(values['min-frequency']),
      threads: Number(values.threads),
      out: folder,
    });
    const { model } = JSON.parse(await readFile(trained.path, 'utf8')) as { model: { merges?: [string, string][] } };
    const merges = model.merges?.slice(0, Math.max(0, Number(values.size) - 257));
    const text = merges?.map((pair) => `${pair.join(' ')}\n`).join('');
    return {
      seconds: trained.seconds,
      megabytesPerSecond: trained.bytes / 1e6 / trained.seconds,
      cpuSeconds: trained.cpuSeconds,
      peakRssMb: Math.round(trained.maxRss / 1024),
      entries: trained.size,
      minFrequency: trained.minFrequency,
      words: trained.words,
      distinctWords: trained.distinctWords,
      threads: Number(values.threads),
      ...(merges && text
        ? { merges: merges.length, mergesHash: createHash('sha256').update(text).digest('hex').slice(0, 16) }
        : {}),
    };
  } finally {
    if (values.out === undefined) await rm(folder, { recursive: true, force: true });
  }
}

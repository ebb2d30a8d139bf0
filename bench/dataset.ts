/**
 * Datasets: `npm run bench -- dataset --what build|mlm|nsp --files GLOB --vocab DIR [--seq-len 1024] [--threads 2] [--batch 256]`.
 * `build`: text to packed causal rows on disk. `mlm`: masked batches in JavaScript. `nsp`: text to pairs with masks on disk.
 * Seconds of processor time are given too: they say more than seconds on a machine that others use.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { batches } from '../src/dataset/batches.ts';
import { buildDataset } from '../src/dataset/build.ts';
import type { TaskOptions } from '../src/dataset/task.ts';

export async function run(args: string[]): Promise<Record<string, unknown>> {
  const { values } = parseArgs({
    args,
    options: {
      what: { type: 'string', default: 'build' },
      files: { type: 'string', multiple: true, default: ['corpora/moby-dick.yaml'] },
      vocab: { type: 'string', default: '' },
      'seq-len': { type: 'string' },
      threads: { type: 'string', default: '2' },
      batch: { type: 'string', default: '256' },
      epochs: { type: 'string', default: '4' },
      format: { type: 'string' },
      pack: { type: 'string', default: 'best-fit' },
    },
  });
  const out = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  const what = values.what as 'build' | 'mlm' | 'nsp';
  const seqLen = Number(values['seq-len'] ?? (what === 'build' ? 1024 : 128));
  const task = {
    build: { kind: 'causal', pack: values.pack },
    mlm: { kind: 'mlm' },
    nsp: { kind: 'nsp', dupeFactor: 5 },
  }[what] as TaskOptions;
  try {
    const cpu = process.cpuUsage();
    const started = performance.now();
    const manifest = await buildDataset({
      files: values.files,
      vocab: values.vocab,
      format: values.format as 'jsonl',
      task,
      seqLen,
      out,
      split: { train: 1 },
      threads: Number(values.threads),
    });
    const seconds = (performance.now() - started) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    const [train] = manifest.splits;
    const built = {
      seconds,
      cpuSeconds: (user + system) / 1e6,
      tokens: train!.tokens,
      tokensPerSecond: Math.round(train!.tokens / seconds),
      tokensPerCpuSecond: Math.round(train!.tokens / ((user + system) / 1e6)),
      rows: train!.rows,
      rowsPerSecond: Math.round(train!.rows / seconds),
      paddingPercent: (100 * train!.padding) / (train!.padding + train!.tokens),
      documents: train!.documents,
      randomPercent: (100 * train!.randomPairs) / train!.rows,
    };
    if (what !== 'mlm') return { what, ...built };
    const batchSize = Number(values.batch);
    const [rates, cpuRates]: [number[], number[]] = [[], []];
    for (let epoch = 0; epoch < Number(values.epochs); epoch++) {
      const [begin, before] = [performance.now(), process.cpuUsage()];
      let tokens = 0;
      for await (const batch of batches({ dir: out, batchSize, epoch, verify: false })) tokens += batch.inputIds.length;
      rates.push(tokens / ((performance.now() - begin) / 1000));
      const { user, system } = process.cpuUsage(before);
      cpuRates.push(tokens / ((user + system) / 1e6));
    }
    const median = (all: number[]) => Math.round(all.sort((a, b) => a - b)[all.length >> 1]!);
    return {
      what,
      tokensPerSecond: median(rates),
      tokensPerCpuSecond: median(cpuRates),
      rows: train!.rows,
      batchSize,
      seqLen,
    };
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}

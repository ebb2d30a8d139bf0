/**
 * Datasets: `npm run bench -- dataset --what build|mlm|nsp --files GLOB --vocab DIR [--seq-len 1024] [--threads 2] [--batch 256] [--dupe 10]`.
 * `build`: text to packed causal rows on disk. `mlm`: masked batches in JavaScript. `nsp`: text to pairs with masks on disk.
 * `seconds` begin with nothing loaded; `loadSeconds` is what a dataset of a few sentences takes: the vocabulary, files, manifest.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
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
      epochs: { type: 'string', default: '8' },
      format: { type: 'string' },
      pack: { type: 'string', default: 'best-fit' },
      dupe: { type: 'string', default: '10' },
    },
  });
  const out = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  const what = values.what as 'build' | 'mlm' | 'nsp';
  const seqLen = Number(values['seq-len'] ?? (what === 'build' ? 1024 : 128));
  const task = {
    build: { kind: 'causal', pack: values.pack },
    mlm: { kind: 'mlm' },
    nsp: { kind: 'nsp', dupeFactor: Number(values.dupe) },
  }[what] as TaskOptions;
  const loadSeconds = await loading(values.vocab, task, seqLen);
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
      loadSeconds,
      secondsAfterLoading: seconds - loadSeconds,
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
    /** Medians of five runs: tokens a second, and a second of processor time. */
    const read = async (reuse: boolean) => {
      const [rates, cpuRates]: [number[], number[]] = [[], []];
      for (let run = 0; run < 5; run++) {
        const [begin, before] = [performance.now(), process.cpuUsage()];
        let tokens = 0;
        const reader = batches({ dir: out, batchSize, epoch: run * 10, epochs: Number(values.epochs), reuse });
        for await (const batch of reader) tokens += batch.inputIds.length;
        rates.push(tokens / ((performance.now() - begin) / 1000));
        const { user, system } = process.cpuUsage(before);
        cpuRates.push(tokens / ((user + system) / 1e6));
      }
      const median = (all: number[]) => Math.round(all.sort((a, b) => a - b)[all.length >> 1]!);
      return [median(rates), median(cpuRates)];
    };
    const [own, reused] = [await read(false), await read(true)];
    return {
      what,
      tokensPerSecond: own[0],
      tokensPerCpuSecond: own[1],
      // Arrays reused; the peer has one figure for both.
      reusedTokensPerSecond: reused[0],
      reusedTokensPerCpuSecond: reused[1],
      // The same, all the way from the files, to be set against the peer's collator without a reader.
      collatorAlone: own[0],
      reusedCollatorAlone: reused[0],
      rows: train!.rows,
      batchSize,
      seqLen,
    };
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}

/** Seconds for a dataset of next to no text. */
async function loading(vocab: string, task: TaskOptions, seqLen: number): Promise<number> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  try {
    const document = JSON.stringify({ text: 'A sentence of six words. '.repeat(40) });
    await writeFile(join(dir, 'little.jsonl'), `${document}\n`.repeat(20));
    const started = performance.now();
    await buildDataset({
      files: [join(dir, 'little.jsonl')],
      vocab,
      task,
      seqLen,
      out: join(dir, 'out'),
      split: { train: 1 },
    });
    return (performance.now() - started) / 1000;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

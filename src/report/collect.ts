/** A run folder in, everything that a report can show of it out. What isn't there is left out. */
import { readdir, readFile } from 'node:fs/promises';
import { arch, cpus, platform } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { MillraceError } from '../errors.ts';
import { version } from '../version.ts';
import type { AttentionText, DatasetData, ReportData, RunData, TokenizerData } from './data.ts';
import { readEvents } from './jsonl.ts';
import { tokenizerData } from './tokenizer.ts';

/** @throws `input` where the folder holds neither metrics nor results of a pipeline. */
export async function collect(
  dir: string,
  { name = basename(resolve(dir)), title = name }: { name?: string; title?: string } = {},
): Promise<ReportData> {
  const names = await readdir(dir).catch((cause: Error) => {
    throw new MillraceError('input', `no run in ${dir}: ${cause.message}`, {
      hint: 'name a run folder, such as runs/quickstart',
      cause,
    });
  });
  if (!names.some((entry) => ['metrics.jsonl', 'pipeline.json', 'sweep.json'].includes(entry))) {
    throw new MillraceError('input', `no run in ${dir}: neither metrics.jsonl nor pipeline.json`, {
      hint: 'name a run folder, such as runs/quickstart',
    });
  }
  const sweep = await json<{ points: SweepPoint[] }>(join(dir, 'sweep.json'));
  const runs = sweep
    ? await Promise.all(sweep.points.map((point) => runData(join(dir, point.name), point.name)))
    : await runsOf(dir, name);
  const path = names.includes('pipeline.yaml') ? 'pipeline.yaml' : 'config.yaml';
  const config = await text(join(dir, path));
  return {
    title,
    runs,
    comparison: sweep && comparison(sweep.points),
    attention: await attentionOf(dir),
    tokenizer: await tokenizerOf(join(dir, 'vocab')),
    dataset: await datasetOf(join(dir, 'dataset')),
    samples: (await json<{ samples: { prompt: string; text: string }[] }>(join(dir, 'sample', 'samples.json')))
      ?.samples,
    config: config === undefined ? undefined : { path, text: config },
    provenance: await provenance(dir),
  };
}

/** The run in the folder itself, and those in folders of its further training stages. */
async function runsOf(dir: string, name: string): Promise<RunData[]> {
  const runs: RunData[] = [];
  if ((await text(join(dir, 'metrics.jsonl'))) !== undefined) runs.push(await runData(dir, name));
  for (const entry of (await readdir(dir, { withFileTypes: true })).filter((e) => e.isDirectory())) {
    if ((await text(join(dir, entry.name, 'metrics.jsonl'))) === undefined) continue;
    runs.push(await runData(join(dir, entry.name), entry.name));
  }
  return runs;
}

async function runData(dir: string, name: string): Promise<RunData> {
  const evaluation = await json<Record<string, unknown>>(join(dir, 'evaluate', 'evaluation.json'));
  const scores = await json<Record<string, unknown>>(join(dir, 'scores.json'));
  return { name, events: await readEvents(join(dir, 'metrics.jsonl')), evaluation, scores };
}

/** What stages of the kind `attention` left, in their order by name. */
async function attentionOf(dir: string): Promise<AttentionText[] | undefined> {
  const folders = (await readdir(dir, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  const found = await Promise.all(
    folders.map(({ name }) => json<{ texts: AttentionText[] }>(join(dir, name, 'attention.json'))),
  );
  const texts = found.flatMap((file) => file?.texts ?? []);
  return texts.length > 0 ? texts : undefined;
}

interface SweepPoint {
  name: string;
  values: Record<string, unknown>;
  figures: Record<string, number | string>;
}

function comparison(points: SweepPoint[]): ReportData['comparison'] {
  const [first] = points;
  if (!first) return undefined;
  return {
    head: [...Object.keys(first.values), ...Object.keys(first.figures)],
    rows: points.map(({ values, figures }) => [
      ...Object.values(values).map((value) => (typeof value === 'number' ? value : JSON.stringify(value))),
      ...Object.values(figures),
    ]),
  };
}

async function tokenizerOf(dir: string): Promise<TokenizerData | undefined> {
  const file = await text(join(dir, 'tokenizer.json'));
  return file === undefined ? undefined : tokenizerData(file);
}

interface DatasetManifest {
  plan?: { task?: { kind?: string; pack?: string }; seqLen?: number; seed?: number };
  splits?: {
    name: string;
    documents?: number;
    rows: number;
    tokens: number;
    padding?: number;
    cutDocuments?: number;
  }[];
  statistics?: Record<string, number>;
}

async function datasetOf(dir: string): Promise<DatasetData | undefined> {
  const manifest = await json<DatasetManifest>(join(dir, 'manifest.json'));
  if (!manifest?.splits) return undefined;
  const { plan, splits, statistics = {} } = manifest;
  const sum = (key: 'tokens' | 'padding' | 'cutDocuments') =>
    splits.reduce((total, split) => total + (split[key] ?? 0), 0);
  const figures: [string, number | string | undefined][] = [
    ['task', plan?.task?.kind],
    ['tokens a row', plan?.seqLen],
    ['packing', plan?.task?.pack],
    ['padding', `${((100 * sum('padding')) / Math.max(1, sum('padding') + sum('tokens'))).toFixed(2)} %`],
    ['documents cut', sum('cutDocuments')],
    ...Object.entries(statistics).map(([key, value]) => [words(key), value] as [string, number]),
    ['bytes a token', statistics.textBytes && statistics.tokens ? statistics.textBytes / statistics.tokens : undefined],
  ];
  const preview = await json<{ rows: string[] }>(join(dir, 'preview.json'));
  return {
    figures: figures.filter((pair): pair is [string, number | string] => pair[1] !== undefined),
    splits,
    rows: preview?.rows,
  };
}

async function provenance(dir: string): Promise<[string, string][]> {
  const state = await json<{
    stages: Record<string, { key: string; result: string; finished: string; seconds: number }>;
  }>(join(dir, 'pipeline.json'));
  const stages = Object.entries(state?.stages ?? {}).map(
    ([stage, { result, seconds }]) =>
      [`result of ${stage}`, `sha256 ${result.slice(0, 16)}… (${seconds.toFixed(1)} s)`] as [string, string],
  );
  return [
    ['millrace', version()],
    ['node', process.version],
    ['machine', `${platform()} ${arch()}, ${cpus().length} cores, ${cpus()[0]?.model.trim() ?? 'unknown'}`],
    ['folder', basename(dirname(resolve(dir, 'x')))],
    ...stages,
  ];
}

const words = (key: string) => key.replace(/([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`);

async function text(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined);
}

async function json<T>(path: string): Promise<T | undefined> {
  const content = await text(path);
  if (content === undefined) return undefined;
  try {
    return JSON.parse(content) as T;
  } catch (cause) {
    throw new MillraceError('corrupt', `${path} is no JSON`, {
      hint: 'delete it and run the stage that wrote it again',
      cause,
    });
  }
}

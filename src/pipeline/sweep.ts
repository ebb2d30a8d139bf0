/** A pipeline with a sweep in; one run folder a combination of values, and a table that compares them, out. */
import { join } from 'node:path';
import { writeWhole } from '../atomic.ts';
import { loadPipeline } from './load.ts';
import { type RunOptions, type RunResult, runPipeline } from './run.ts';
import type { Stage } from './stage.ts';

export interface SweepResult {
  /** Where the table lies, as JSON. */
  path: string;
  points: { name: string; dir: string; values: Record<string, unknown>; figures: Record<string, number | string> }[];
}

/** Every combination of the values, the last path changing fastest. */
export function combinations(sweep: Record<string, unknown[]>): Record<string, unknown>[] {
  return Object.entries(sweep).reduce<Record<string, unknown>[]>(
    (points, [path, values]) => points.flatMap((point) => values.map((value) => ({ ...point, [path]: value }))),
    [{}],
  );
}

export async function runSweep(
  path: string,
  { stages, overrides, run }: { stages: Stage[]; overrides: string[]; run: RunOptions },
): Promise<SweepResult> {
  const base = await loadPipeline(path, { stages, overrides });
  const points: SweepResult['points'] = [];
  for (const [i, values] of combinations(base.sweep).entries()) {
    const name = `${String(i + 1).padStart(2, '0')}-${Object.entries(values)
      .map(([key, value]) => slug(key, value))
      .join('-')}`;
    const dir = join(base.dir, name);
    const set = Object.entries(values).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
    const pipeline = await loadPipeline(path, { stages, overrides: [...overrides, ...set] });
    // Stages that the values don't touch have the same cause at every point: they run once.
    const result = await runPipeline(
      { ...pipeline, name: `${base.name}/${name}`, dir },
      { ...run, donors: points.map((point) => point.dir) },
    );
    points.push({ name, dir, values, figures: figures(result) });
    await writeWhole(join(base.dir, 'sweep.json'), `${JSON.stringify({ points }, undefined, 2)}\n`);
  }
  return { path: join(base.dir, 'sweep.json'), points };
}

const WANTED = [
  'parameters',
  'loss',
  'validationLoss',
  'perplexity',
  'bitsPerByte',
  'accuracy',
  'macroF1',
  'bleu',
  'tokensPerSecond',
];

/** Those that a model is judged by; of other pipelines, the figures of the last stage that has any. */
function figures(result: RunResult): Record<string, number | string> {
  const numbers = result.stages.map(({ kind, summary }) =>
    kind === 'report'
      ? []
      : Object.entries(summary).filter((pair): pair is [string, number] => typeof pair[1] === 'number'),
  );
  const all = new Map(numbers.flat());
  const known = WANTED.filter((key) => all.has(key)).map((key) => [key, all.get(key)!] as const);
  const found = known.length > 0 ? known : (numbers.findLast((own) => own.length > 0) ?? []).slice(0, 6);
  const seconds = result.stages.reduce((sum, stage) => sum + stage.seconds, 0);
  return { ...Object.fromEntries(found), seconds: Math.round(10 * seconds) / 10 };
}

const slug = (key: string, value: unknown) => `${key.split('.').at(-1)}-${String(value).replace(/[^\w.]+/g, '_')}`;

/** What a pipeline made, in words: its figures, a sample, and what to do next. */
import { join, relative } from 'node:path';
import type { RunResult } from '../pipeline/run.ts';
import type { Pipeline, Summary } from '../pipeline/stage.ts';
import { count, table } from './format.ts';
import type { Output } from './output.ts';

/** Up to five figures of a stage: `files 135, bytes 1,215,235`. */
export function oneLine(summary: Summary): string {
  return Object.entries(summary)
    .map(([key, value]) => [key, Array.isArray(value) ? value.length : value] as const)
    .filter(([, value]) => typeof value === 'number' || (typeof value === 'string' && value.length < 40))
    .slice(0, 5)
    .map(([key, value]) => `${spaced(key)} ${typeof value === 'number' ? count(value) : value}`)
    .join(', ');
}

/** The end of `millrace run`. */
export function describeRun(pipeline: Pipeline, result: RunResult, output: Output): string {
  const by = (kind: string) => result.stages.findLast((stage) => stage.kind === kind)?.summary ?? {};
  const lines = [output.style('bold', `${pipeline.name}: ${result.dir}`)];
  lines.push(table(result.stages.map(({ stage, summary }) => [`  ${stage}`, oneLine(summary)])));
  const { validationLoss, bitsPerByte, perplexity } = by('evaluate') as Record<string, number | undefined>;
  if (validationLoss !== undefined) {
    lines.push(
      '',
      `validation loss ${validationLoss.toFixed(4)}, perplexity ${(perplexity ?? Math.exp(validationLoss)).toFixed(1)}`,
    );
    if (bitsPerByte !== undefined) lines.push(`${bitsPerByte.toFixed(3)} bits a byte`);
  }
  const { path } = by('report') as { path?: string };
  if (path) lines.push(`report: ${path}`);
  const [sample] = (by('sample').samples as { prompt: string; text: string }[] | undefined) ?? [];
  if (sample) lines.push('', output.style('bold', 'a sample'), indent(`${sample.prompt}${sample.text}`));
  lines.push('', output.style('bold', 'next'), ...next(pipeline, result).map((line) => `  ${line}`));
  return lines.join('\n');
}

/** Commands as they work when typed in this shell, with what this pipeline is about. */
function next(pipeline: Pipeline, { dir, stages }: RunResult): string[] {
  const step = (kind: string) => stages.find((stage) => stage.kind === kind);
  const { source } = pipeline;
  const prompt = (step('sample')?.summary.samples as { prompt: string }[] | undefined)?.[0]?.prompt ?? 'Once';
  const vocab = step('vocab');
  const train = step('train');
  const self = invocation();
  const overrides = source.overrides.filter((set) => !set.startsWith('out=')).map((set) => ` --set ${quote(set)}`);
  const there = `${quote(source.path)}${overrides.join('')}`;
  const all = [
    use(pipeline, dir, prompt, self),
    vocab && `echo ${quote(prompt)} | ${self} encode ${quote(join(dir, vocab.stage))} --format tokens`,
    train && `${self} run ${there} --set out=${quote(`${dir}-2`)} --set stages.${train.stage}.training.seed=2`,
    `${self} run ${there} --dry-run`,
  ];
  return all.filter((line) => typeof line === 'string').slice(0, 3);
}

/** The verb that the last model of the pipeline is for. */
function use({ steps }: Pipeline, dir: string, prompt: string, self: string): string | undefined {
  const last = steps.findLast(({ stage }) => stage.kind === 'finetune' || stage.kind === 'train');
  const train = steps.findLast(({ stage }) => stage.kind === 'train');
  if (!last) return undefined;
  const at = quote(last.name === 'train' ? dir : join(dir, last.name));
  if (last.config.task === 'classify') return `echo 'this movie is great' | ${self} classify ${at}`;
  const { family, head } = (train?.config.model ?? {}) as { family?: string; head?: string };
  if (family === 'bert') return `echo 'Call me [MASK].' | ${self} fill ${at}`;
  if (family === 'marian' || family === 'transformer' || last.config.task === 'translate')
    return `echo ${quote(prompt)} | ${self} translate ${at}`;
  return head === 'classify' ? undefined : `${self} sample ${at} --prompt ${quote(prompt)}`;
}

/** How this program was called: through npx, by its name on the PATH, or as a file of Node's. */
export function invocation({ argv = process.argv, env = process.env } = {}): string {
  const script = argv[1] ?? '';
  if (env.npm_command === 'exec') return 'npx millrace';
  return /\.js$/.test(script) ? `node ${quote(relative(process.cwd(), script))}` : 'millrace';
}

const quote = (text: string) => (/^[\w./@:=+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

const indent = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n');

const spaced = (key: string) => key.replace(/([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`);

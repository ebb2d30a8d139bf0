/** What a pipeline made, in words: its figures, a sample, and what to do next. */
import type { RunResult } from '../pipeline/run.ts';
import type { Pipeline, Summary } from '../pipeline/stage.ts';
import { count, table } from './format.ts';
import type { Output } from './output.ts';

/** Up to five figures of a stage: `files 135, bytes 1,215,235`. */
export function oneLine(summary: Summary): string {
  return Object.entries(summary)
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
  const [sample] = (by('sample').samples as { prompt: string; text: string }[] | undefined) ?? [];
  if (sample) lines.push('', output.style('bold', 'a sample'), indent(`${sample.prompt}${sample.text}`));
  lines.push('', output.style('bold', 'next'), ...next(pipeline, result).map((line) => `  ${line}`));
  return lines.join('\n');
}

function next(pipeline: Pipeline, { dir, stages }: RunResult): string[] {
  const has = (kind: string) => stages.some((stage) => stage.kind === kind);
  const all = [
    has('train') || has('finetune') ? `millrace sample ${dir} --prompt "Call me"` : undefined,
    has('vocab') ? `echo "Call me Ishmael." | millrace encode ${dir}/vocab --format tokens` : undefined,
    has('train') ? `millrace watch ${dir}` : undefined,
    `millrace run ${pipeline.source.path} --set name=${pipeline.name}-2 --set stages.train.seed=2`,
    `millrace status ${pipeline.source.path}`,
  ];
  return all.filter((line) => line !== undefined).slice(0, 3);
}

const indent = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n');

const spaced = (key: string) => key.replace(/([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`);

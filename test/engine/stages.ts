/** A stage of the command line, as a process with pipes. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { main } from '../cli/run.ts';

/** Without `partition` it takes streams that say theirs, one after the other. */
export function startStage(steps: string, plan: string, partition?: number): ChildProcessWithoutNullStreams {
  const place = ['--plan', plan, ...(partition === undefined ? [] : ['--partition', `${partition}`, '--attempt', '0'])];
  return spawn(process.execPath, [main, 'stage', steps, ...place, '--json']);
}

export interface Ended {
  code: number | null;
  output: Buffer;
  said: string;
}

/** Runs one to its end. */
export async function runStage(
  steps: string,
  plan: string,
  partition: number | undefined,
  input: Buffer,
): Promise<Ended> {
  const child = startStage(steps, plan, partition);
  const output: Buffer[] = [];
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.on('data', (chunk) => {
    said += chunk;
  });
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output: Buffer.concat(output), said };
}

/** The files that the stages of all partitions left in a dataset folder in, the finished dataset out. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { InputFile, Manifest } from '../dataset/manifest.ts';
import { runNative } from '../native.ts';
import type { Watch } from '../progress.ts';
import type { StagePlan } from './plan.ts';
import { readPlan } from './stage.ts';

/** What the stages were run with, and where their files are. */
export interface MergeOptions extends Watch {
  /** Path of the plan, or its text. */
  plan: string;
  out: string;
  /** What the manifest says of the inputs; by default the plan's files are hashed. */
  inputs?: InputFile[] | undefined;
  maxRejects?: number | undefined;
}

/** Throws `input` where partitions are missing, or more records were refused than may be. */
export async function mergeStages(options: MergeOptions): Promise<Manifest> {
  const text = options.plan.startsWith('{') ? options.plan : await readPlan(options.plan);
  const inputs = options.inputs ?? (await hashInputs(JSON.parse(text) as StagePlan));
  const manifest = await runNative(
    (native, task) => native.mergeStages(task, options.out, text, JSON.stringify(inputs), options.maxRejects ?? 0),
    { ...options, phase: 'merge', unit: 'bytes' },
  );
  return JSON.parse(manifest) as Manifest;
}

async function hashInputs({ sources }: StagePlan): Promise<InputFile[]> {
  const inputs: InputFile[] = [];
  for (const { path } of sources) {
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
    inputs.push({ path, bytes: (await stat(path)).size, sha256: hash.digest('hex') });
  }
  return inputs;
}

/** A plan and an Arrow stream on the standard input in, what the stages make of it on the standard output out. */
import { readFile } from 'node:fs/promises';
import { MillraceError } from '../errors.ts';
import { runNative } from '../native.ts';
import type { Watch } from '../progress.ts';

export interface StageOptions extends Watch {
  /** `count`, or stages that follow each other: `tokenize,pack,mask`. */
  names: string;
  /** Path of the plan. */
  plan: string;
  /** Which partition; left out: each of the streams that come one after the other says in its metadata which one it is. */
  partition?: number | undefined;
  /** Read the plan's files where they lie, instead of the standard input. */
  fromFiles?: boolean | undefined;
  /** Folder for packed files, instead of the standard output. */
  into?: string | undefined;
}

/** Throws `config` and `input` for what another try can't mend; `corrupt` for a stream that was cut off. */
export async function runStage({ plan, fromFiles = false, into, ...options }: StageOptions): Promise<void> {
  const text = await readPlan(plan);
  const { names, partition } = options;
  const given = { ...(partition === undefined ? {} : { partition }), ...(into === undefined ? {} : { into }) };
  await runNative((native, task) => native.runStage(task, { names, plan: text, fromFiles, ...given }), {
    ...options,
    phase: 'stage',
    unit: 'bytes',
  });
}

export async function readPlan(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((cause: Error) => {
    const hint = '`dataset build --stages` and `vocab count --stages` write plans';
    throw new MillraceError('input', `the plan ${path} can't be read: ${cause.message}`, { cause, hint });
  });
}
